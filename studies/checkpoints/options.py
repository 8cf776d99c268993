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
    from padding import PaddingError
    from padding.registry import find_scheme

    try:
        return list(dict.fromkeys(find_scheme(scheme).name for scheme in schemes))
    except PaddingError as error:
        raise UserError(f"--schemes: {error}") from None
