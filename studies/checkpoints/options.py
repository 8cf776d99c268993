"""Options of the commands that load trained networks; importing them loads no torch."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from jsonargparse.typing import PositiveInt

from records.errors import UserError


@dataclass
class Weights:
    """Options of commands that load trained networks.

    Attributes:
        checkpoint: best, last, or the name of a file in RUN/checkpoints/, such as epoch-089.ckpt
        data_root: folder of the images where they are not where the runs found them
        device: such as cpu or cuda:1; default: a GPU if there is one
    """

    _: KW_ONLY
    checkpoint: str = "best"
    data_root: Path | None = None
    device: str | None = None


@dataclass
class EvaluationOptions(Weights):
    """Options of commands that evaluate trained networks.

    Attributes:
        batch_size: images at a time, of classifiers; default: the run's
    """

    _: KW_ONLY
    batch_size: PositiveInt | None = None


def check_schemes(schemes: Sequence[str]) -> list[str]:
    """`schemes`, each once. Raises UserError if one is unknown."""
    from padding import available_schemes

    if unknown := [scheme for scheme in schemes if scheme not in available_schemes()]:
        raise UserError(f"--schemes: unknown {', '.join(unknown)}; there are {', '.join(available_schemes())}")
    return list(dict.fromkeys(schemes))
