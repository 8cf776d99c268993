"""The run that a command line would start, without starting it."""

from cli.identity import identify
from cli.training import parse
from records import RunFolder, RunRecord


def resolve(arguments: list[str]) -> tuple[RunFolder, RunRecord]:
    """The folder and record of the run that `main.py *arguments` (beginning with `fit`) would start; builds nothing.

    Raises:
        UserError: if the arguments are invalid.
    """
    return identify(parse(arguments))
