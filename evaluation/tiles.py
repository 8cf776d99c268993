"""Positions of the tiles of tile-based evaluation: section 4.2 and Table 6 of the paper."""

import math
from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

import torch

from evaluation.errors import EvaluationError

LARGEST_DENOMINATOR = 10**6
"""Two fractions with denominators up to this differ by at least 1e-12, far above a float's error of 1e-16."""


class Box(NamedTuple):
    """A rectangle of pixels: rows [top, bottom) and columns [left, right).

    >>> Box(0, 2, 4, 8).width
    6
    """

    top: int
    left: int
    bottom: int
    right: int

    @property
    def height(self) -> int:
        return self.bottom - self.top

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in the last two axes: `image[..., *box.slices]`."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


def exact(value: float | Fraction) -> Fraction:
    """The simplest fraction that `value` approximates.

    The float 1/3 is slightly below 1/3, so 768 * (1 - 1/3) is slightly above 512, and its ceiling would be 513.

    >>> exact(1 / 3), exact(0.1), exact(0.333)
    (Fraction(1, 3), Fraction(1, 10), Fraction(333, 1000))
    """
    return Fraction(value).limit_denominator(LARGEST_DENOMINATOR)


def tile_starts(length: int, size: int, overlap: float | Fraction) -> list[int]:
    """The first pixel of each tile along an axis of `length` pixels.

    The stride is ceil(size * (1 - overlap)); the last tile is moved back to end with the axis. If a tile is as long as
    the axis or longer, it is the whole axis. Tiles of 1024 on 2048 pixels begin at 0, 1024 without overlap, and at
    0, 683, 1024 with overlap 1/3. `overlap` is the share of a tile that the next one repeats.

    Raises:
        EvaluationError: length or size is below 1, or overlap is outside [0, 1).

    >>> tile_starts(2048, 1024, 1 / 3)
    [0, 683, 1024]
    """
    if length < 1:
        raise EvaluationError(f"an image side of {length} pixels has no tiles; it must be 1 or more")
    if size < 1:
        raise EvaluationError(f"the tile size is {size}; it must be 1 pixel or more")
    if not 0 <= overlap < 1:
        raise EvaluationError(f"the tile overlap is {overlap}; it is a share of the tile, at least 0 and below 1")
    if size >= length:
        return [0]
    # At least 1, because `exact` rounds an overlap within 1e-12 of 1 to 1.
    stride = max(1, math.ceil(size * (1 - exact(overlap))))
    count = math.ceil(Fraction(length - size, stride)) + 1
    return [min(number * stride, length - size) for number in range(count)]


def tile_boxes(height: int, width: int, size: int, overlap: float | Fraction) -> list[Box]:
    """The square tiles that cover an image, row by row; along an axis shorter than `size` a tile is the whole axis.

    Raises:
        EvaluationError: as `tile_starts`.

    >>> tile_boxes(4, 6, 4, 0)[-1]
    Box(top=0, left=2, bottom=4, right=6)
    """
    rows, columns = tile_starts(height, size, overlap), tile_starts(width, size, overlap)
    return [Box(top, left, min(top + size, height), min(left + size, width)) for top in rows for left in columns]


def coverage(height: int, width: int, boxes: Iterable[Box]) -> torch.Tensor:
    """Counts the boxes that contain each pixel of an image: (height, width) int32.

    Raises:
        EvaluationError: a box is empty or reaches beyond the image.

    >>> coverage(1, 4, [Box(0, 0, 1, 3), Box(0, 2, 1, 4)])
    tensor([[1, 1, 2, 1]], dtype=torch.int32)
    """
    count = torch.zeros((height, width), dtype=torch.int32)
    for box in boxes:
        if not (0 <= box.top < box.bottom <= height and 0 <= box.left < box.right <= width):
            raise EvaluationError(f"{box} is empty or reaches beyond the image of {height}x{width} pixels")
        count[box.slices] += 1
    return count
