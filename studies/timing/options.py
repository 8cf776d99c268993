"""The options of `main.py timing`; their defaults are those of Table 1."""

import re
from argparse import ArgumentTypeError
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated, Literal

from jsonargparse.typing import PositiveInt, restricted_number_type

from studies.runs.options import Argument

AtLeastTwo = restricted_number_type("AtLeastTwo", int, (">=", 2))


def check_size(text: str) -> str:
    """Raises ArgumentTypeError unless `text` is an image size, such as `224` or `480x640`."""
    if not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", text):
        raise ArgumentTypeError(f"'{text}' is no image size; give pixels: 224, or height x width: 480x640")
    return text


Size = Annotated[str, Argument(type=check_size, metavar="PIXELS")]


@dataclass
class Options:
    """What is measured, and how often.

    Attributes:
        networks: timm models
        schemes: padding schemes beside zero
        sizes: image sizes in pixels, such as 224 or 480x640
        modes: compiled takes minutes on a CPU, graphs are CUDA graphs; default: eager, on a GPU compiled, too
        batch_size: images per inference
        device: cpu, cuda, cuda:1, mps; default: a GPU if there is one
        threads: CPU threads within an operation; default: torch's
        clock: process counts the CPU seconds of this process alone, for a CPU that others use
        rounds: rounds of later iterations
        first_rounds: rounds of first iterations; 6 are the fewest that give an interval
        warm_up: rounds of later iterations that are not counted
        output: folder for the results
    """

    _: KW_ONLY
    networks: tuple[str, ...] = ("vgg16_bn", "resnet50")
    schemes: tuple[str, ...] = ("partial", "reflect", "replicate")
    sizes: tuple[Size, ...] = ("224",)
    modes: list[Literal["eager", "compiled", "graphs"]] | None = None
    batch_size: PositiveInt = 1
    device: str | None = None
    threads: PositiveInt | None = None
    clock: Literal["wall", "process"] = "wall"
    rounds: AtLeastTwo = 30
    first_rounds: AtLeastTwo = 6
    warm_up: PositiveInt = 3
    output: Path = Path("runs/timing")

    @property
    def pixels(self) -> list[tuple[int, int]]:
        """Height and width of each of `sizes`."""
        sides = [[int(side) for side in size.split("x")] for size in self.sizes]
        return [(each[0], each[-1]) for each in sides]
