"""Random draws from a key, and noise, in integer arithmetic, for the sample data."""

from collections.abc import Sequence
from typing import TypeVar

from PIL import Image, ImageChops

from datamodules.loading import keyed

_T = TypeVar("_T")


class Draw:
    """Draws from a key. Uses raw words, because NumPy keeps their stream stable but not that of its distributions."""

    def __init__(self, *key: int | str):
        self.bits = keyed.philox(*key)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + (int(self.bits.random_raw()) * (high - low + 1) >> 64)

    def pick(self, choices: Sequence[_T]) -> _T:
        return choices[self.between(0, len(choices) - 1)]

    def noise(self, size: tuple[int, int], cell: int) -> Image.Image:
        """A grey noise image (width, height): values of 0 to 255 on a lattice of `cell` pixels, interpolated."""
        columns, rows = (length // cell + 2 for length in size)
        values = self.bits.random_raw(columns * rows // 8 + 1).astype("<u8").tobytes()
        lattice = Image.frombytes("L", (columns, rows), values[: columns * rows])
        return lattice.resize((columns * cell, rows * cell), Image.Resampling.BICUBIC).crop((0, 0, *size))


def roughened(image: Image.Image, noise: Image.Image, strength: int) -> Image.Image:
    """Makes an RGB image up to `strength` grey values lighter or darker, following a noise image."""
    grain = noise.point(lambda value: value * 2 * strength // 255)
    return ImageChops.add(image, Image.merge("RGB", [grain] * 3), 1, -strength)
