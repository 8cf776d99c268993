"""Random draws from a key, and noise: what the sample data are made of, in integers."""

from collections.abc import Sequence
from typing import TypeVar

from PIL import Image, ImageChops

from datamodules.loading import keyed

_T = TypeVar("_T")


class Draw:
    """Draws from a key; from raw words, because NumPy promises their stream and not that of its distributions."""

    def __init__(self, *key: int | str):
        self.bits = keyed.philox(*key)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + (int(self.bits.random_raw()) * (high - low + 1) >> 64)

    def pick(self, choices: Sequence[_T]) -> _T:
        return choices[self.between(0, len(choices) - 1)]

    def noise(self, size: tuple[int, int], cell: int) -> Image.Image:
        """A grey image (width, height): values from 0 to 255 on a lattice of `cell` pixels, interpolated."""
        columns, rows = (length // cell + 2 for length in size)
        values = self.bits.random_raw(columns * rows // 8 + 1).astype("<u8").tobytes()
        lattice = Image.frombytes("L", (columns, rows), values[: columns * rows])
        return lattice.resize((columns * cell, rows * cell), Image.Resampling.BICUBIC).crop((0, 0, *size))


def roughened(image: Image.Image, noise: Image.Image, strength: int) -> Image.Image:
    """An RGB image made up to `strength` grey values lighter or darker, as a noise image says."""
    grain = noise.point(lambda value: value * 2 * strength // 255)
    return ImageChops.add(image, Image.merge("RGB", [grain] * 3), 1, -strength)
