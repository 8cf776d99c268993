"""The run that a command line would start, without starting it."""

from records import RunFolder, RunRecord
from training.identity import identify
from training.program import parse


def resolve(arguments: list[str]) -> tuple[RunFolder, RunRecord]:
    """The folder and record of the run that `main.py *arguments` (beginning with `fit`) would start; builds nothing.

    Raises:
        UserError: if the arguments are invalid.
    """
    return identify(parse(arguments))
