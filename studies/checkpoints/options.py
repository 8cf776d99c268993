"""Options of the commands that load trained networks; importing them loads no torch."""

from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jsonargparse.typing import PositiveInt

from records.errors import UserError

VALID = "valid"
"""Real context in place of padding; a scheme for tests only."""

if TYPE_CHECKING:
    from studies.checkpoints.networks import Source


@dataclass
class Weights:
    """Options of commands that load trained networks.

    Attributes:
        checkpoint: best, last, or the name of a file in RUN/checkpoints/, such as epoch-089.ckpt
        data_root: folder of the images if they are not where the runs found them
        device: torch device such as cpu or cuda:1; default: a GPU if there is one
    """

    _: KW_ONLY
    checkpoint: str = "best"
    data_root: Path | None = None
    device: str | None = None


@dataclass
class EvaluationOptions(Weights):
    """Options of commands that evaluate trained networks.

    Attributes:
        batch_size: images per batch of classifiers; default: the run's
    """

    _: KW_ONLY
    batch_size: PositiveInt | None = None


@dataclass
class Networks:
    """Options of commands that measure any networks: which networks, with which weights, under which schemes.

    Attributes:
        networks: names of timm models (with random weights unless an option says otherwise), or run folders
        weights: file of weights for a timm model; loaded by name, or in order if the names are another library's
        pretrained: take timm's pretrained weights, from the hub or its cache
        checkpoint: checkpoint of run folders: best, last, or the name of a file in RUN/checkpoints/
        schemes: padding schemes; default: all that the network can have; the others are named
        seed: seed of random weights and drawn inputs
    """

    networks: list[str]
    _: KW_ONLY
    weights: Path | None = None
    pretrained: bool = False
    checkpoint: str = "best"
    schemes: list[str] | None = None
    seed: int = 0

    def sources(self) -> Iterator["Source"]:
        """Yields the networks, one after the other. Raises UserError if one cannot be made."""
        from studies.checkpoints.networks import find_source

        if self.weights and (self.pretrained or len(self.networks) > 1):
            raise UserError("--weights is a file for one network; name one, and leave --pretrained out")
        for name in self.networks:
            yield find_source(name, self.weights, self.pretrained, self.checkpoint, self.seed)

    def check(self) -> list[str]:
        """Returns the schemes without repeats. Raises an error for users if a scheme or a network is unknown."""
        from padding import available_schemes
        from padding.conversion.choice import choose
        from studies.checkpoints.networks import check_source

        for name in self.networks:
            check_source(name)
        return list(dict.fromkeys(choose(name).name for name in self.schemes or available_schemes()))


def check_schemes(schemes: Sequence[str]) -> list[str]:
    """Returns `schemes` without repeats. Raises UserError if one is unknown."""
    from padding import PaddingError
    from padding.conversion.choice import choose

    try:
        return list(dict.fromkeys(scheme if scheme == VALID else choose(scheme).name for scheme in schemes))
    except PaddingError as error:
        raise UserError(f"--schemes: {error}") from None
