"""Holes in a picture: random brush strokes or boxes, or its centre."""

import math
from collections.abc import Callable

import numpy as np


def draw_holes(kind: str, height: int, width: int, share: float, seed: int) -> np.ndarray:
    """A mask of holes in a picture.

    Strokes and boxes are added until they cover the share, so that the last one may go beyond it.

    Args:
        kind: a key of `KINDS`.
        height: of the picture in pixels.
        width: of the picture in pixels.
        share: share of the picture that becomes holes, above 0 and below 1.
        seed: seed of strokes and boxes; the centre is not random.

    Returns:
        (height, width) bool, True in a hole.

    Raises:
        ValueError: an unknown kind, or a share out of range.

    >>> draw_holes("centre", 4, 4, share=0.25, seed=0).sum()
    np.int64(4)
    """
    if kind not in KINDS:
        raise ValueError(f"no holes are called {kind!r}; known: {', '.join(KINDS)}")
    if not 0 < share < 1:
        raise ValueError(f"the share of holes is {share}; it must be above 0 and below 1")
    return KINDS[kind](height, width, share, np.random.default_rng(seed))


def _centre(height: int, width: int, share: float, random: np.random.Generator) -> np.ndarray:
    """A box of the picture's own proportions in its middle."""
    rows, columns = (round(math.sqrt(share) * side) for side in (height, width))
    top, left = (height - rows) // 2, (width - columns) // 2
    holes = np.zeros((height, width), bool)
    holes[top : top + rows, left : left + columns] = True
    return holes


def _boxes(height: int, width: int, share: float, random: np.random.Generator) -> np.ndarray:
    holes = np.zeros((height, width), bool)
    while holes.mean() < share:
        middle, half = random.random(2), random.uniform(0.03, 0.1, 2)
        (top, left), (bottom, right) = (
            np.round(edge * (height, width)).astype(int) for edge in (np.maximum(middle - half, 0), middle + half)
        )
        # In a tiny picture a box may round to nothing, and the loop would not end.
        holes[top : max(bottom, top + 1), left : max(right, left + 1)] = True
    return holes


def _strokes(height: int, width: int, share: float, random: np.random.Generator) -> np.ndarray:
    """Bent brush strokes with round ends, as if somebody had scratched the picture."""
    holes, short = np.zeros((height, width), bool), min(height, width)
    while holes.mean() < share:
        point, turn = random.random(2) * (height, width), random.uniform(0, 2 * math.pi)
        radius = random.uniform(0.015, 0.04) * short
        for _ in range(4):
            turn += random.uniform(-0.9, 0.9)
            end = point + random.uniform(0.08, 0.25) * short * np.array([math.sin(turn), math.cos(turn)])
            # A line passes within 0.71 pixels of the centre of every pixel that it crosses: no gaps from 0.75 on.
            holes |= _distance(height, width, point, end) <= max(radius, 0.75)
            point = end
    return holes


def _distance(height: int, width: int, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Distance of every pixel's centre to the segment from start to end, (row, column) in pixels."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    way = end - start
    along = ((rows - start[0]) * way[0] + (columns - start[1]) * way[1]) / (way @ way)
    along = along.clip(0, 1)
    return np.hypot(rows - start[0] - along * way[0], columns - start[1] - along * way[1])


KINDS: dict[str, Callable[[int, int, float, np.random.Generator], np.ndarray]] = {
    "strokes": _strokes,
    "boxes": _boxes,
    "centre": _centre,
}
"""In the order in which --help lists them."""
