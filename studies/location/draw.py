"""The images of the red-green test, drawn by code.

Kayhan and van Gemert, On Translation Invariance in CNNs, CVPR 2020, section 3.2, https://arxiv.org/abs/2003.07064.
Two squares of 4 pixels on black, 32 x 32: class 0 is red left of green, class 1 green left of red.
"""

import numpy as np

SIDE, SQUARE = 32, 4

ROWS = (7, 23)
"""Middle of the rows that squares begin at, in the upper and in the lower half; they lie within SPREAD of it."""

SPREAD = 4


def draw(count: int, swapped: bool, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Images (count, 3, 32, 32) float32 of zeros and ones, and their classes (count,), in turns.

    Args:
        swapped: class 0 in the lower half, class 1 in the upper, other than in training.
    """
    images, classes = np.zeros((count, 3, SIDE, SIDE), np.float32), np.arange(count) % 2
    for image, kind in zip(images, classes, strict=True):
        first = random.integers(0, (SIDE - SQUARE) // 2 - SQUARE)
        second = random.integers(first + SQUARE + 1, SIDE - SQUARE)
        for channel, column in ((kind, first), (1 - kind, second)):
            row = ROWS[kind ^ swapped] + random.integers(-SPREAD, SPREAD)
            image[channel, row : row + SQUARE, column : column + SQUARE] = 1
    return images, classes
