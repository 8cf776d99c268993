"""What the sample data are drawn with: draws and noise in integers.

Integers make the pixels the same on every machine: sums and shifts do not depend on a maths library, as sines and
exponentials do in the last bit.
"""

import numpy as np

from datamodules.loading import keyed


class Draw:
    """Integers from a key; raw words, because NumPy promises their stream and not that of its distributions."""

    def __init__(self, *key: int | str):
        self.bits = keyed.philox(*key)

    def between(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + (int(self.bits.random_raw()) * (high - low + 1) >> 64)

    def array(self, low: int, high: int, *shape: int) -> np.ndarray:
        words = self.bits.random_raw(int(np.prod(shape))) >> np.uint64(40)
        return (low + (words.astype(np.int64) * (high - low + 1) >> 24)).reshape(shape)


def noise(random: Draw, height: int, width: int, cell: int) -> np.ndarray:
    """Random values from 0 to 255 on a lattice of `cell` pixels, smoothly interpolated: (height, width)."""
    lattice = random.array(0, 255, height // cell + 2, width // cell + 2)
    rows, down = _smooth(height, cell)
    columns, across = _smooth(width, cell)
    upper = lattice[rows] * (256 - down[:, None]) + lattice[rows + 1] * down[:, None]
    return (upper[:, columns] * (256 - across) + upper[:, columns + 1] * across) >> 16


def _smooth(length: int, cell: int) -> tuple[np.ndarray, np.ndarray]:
    position = np.arange(length)
    part = position % cell * 256 // cell
    return position // cell, part * part * (768 - 2 * part) >> 16
