"""Holes in a picture: random brush strokes."""

import math

import numpy as np


def draw_holes(height: int, width: int, share: float, seed: int) -> np.ndarray:
    """Bent brush strokes with round ends, as if somebody had scratched the picture.

    Strokes are added until they cover the share, so that the last one may go beyond it.

    Args:
        height: of the picture in pixels.
        width: of the picture in pixels.
        share: of the picture that becomes holes, above 0 and below 1.
        seed: of the strokes.

    Returns:
        (height, width) bool, True in a hole.
    """
    random = np.random.default_rng(seed)
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
