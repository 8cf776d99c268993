"""Panels in rows under headings, with captions: uint8 pictures (H, W, 3)."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evaluation.pictures.class_maps import FINER, INK, SMALLEST_TEXT, WHITE

GAP = 6
"""White pixels between panels."""

LARGEST_TEXT = 18
"""Pixels."""


def fitted(picture: np.ndarray, width: int, smooth: bool = True) -> np.ndarray:
    """The picture as wide as `width`, or, where it is smaller, enlarged by a whole number of times up to that.

    Args:
        smooth: whether pixels are averaged when it shrinks: for photographs, not for class colours.

    >>> fitted(np.zeros((2, 3, 3), np.uint8), width=7).shape
    (4, 6, 3)
    """
    height, own = picture.shape[:2]
    if own <= width:
        times = width // own
        return picture.repeat(times, 0).repeat(times, 1)
    size = (width, max(1, round(height * width / own)))
    way = Image.Resampling.LANCZOS if smooth else Image.Resampling.NEAREST
    return np.asarray(Image.fromarray(picture).resize(size, way))


def row(panels: Sequence[np.ndarray]) -> np.ndarray:
    """Panels of one height side by side, GAP apart.

    >>> row([np.zeros((2, 3, 3), np.uint8)] * 2).shape
    (2, 12, 3)
    """
    # Behind each panel but the last.
    gap = np.full((panels[0].shape[0], GAP, 3), WHITE, np.uint8)
    return np.concatenate([part for panel in panels for part in (panel, gap)][:-1], axis=1)


def stack(strips: Sequence[np.ndarray]) -> np.ndarray:
    """Strips one below another, GAP apart; narrower ones are filled up with white on their right.

    >>> stack([np.zeros((2, 3, 3), np.uint8), np.zeros((2, 5, 3), np.uint8)]).shape
    (16, 5, 3)
    """
    width = max(strip.shape[1] for strip in strips)
    filled = [np.pad(each, ((0, GAP), (0, width - each.shape[1]), (0, 0)), constant_values=255) for each in strips]
    return np.concatenate(filled)


def headings(texts: Sequence[str], panel_width: int) -> np.ndarray:
    """A strip with a text over each of a row's panels, all of the size that the longest needs.

    Raises:
        ValueError: if one does not fit even at the smallest size.

    >>> headings(["zero", "partial"], panel_width=80).shape[1:]
    (166, 3)
    """
    size = min(_fitting(text, panel_width, LARGEST_TEXT) for text in texts)
    return row([caption(text, panel_width, size) for text in texts])


def caption(text: str, width: int, largest: int = LARGEST_TEXT) -> np.ndarray:
    """A white strip with a line of text, smaller than `largest` pixels only where the width asks for it.

    Raises:
        ValueError: if the text does not fit even at the smallest size.

    >>> caption("zero", width=80).shape
    (27, 80, 3)
    """
    size = _fitting(text, width, largest)
    strip = Image.new("RGB", (FINER * width, FINER * round(1.5 * size)), WHITE)
    place = (2 * FINER, FINER * round(0.75 * size))
    ImageDraw.Draw(strip).text(place, text, fill=INK, font=ImageFont.load_default(FINER * size), anchor="lm")
    return np.asarray(strip.reduce(FINER))


def _fitting(text: str, width: int, largest: int) -> int:
    """The size at which a text fits; raises ValueError where none does."""
    for size in range(largest, SMALLEST_TEXT - 1, -1):
        if ImageFont.load_default(FINER * size).getlength(text) <= FINER * (width - 4):
            return size
    raise ValueError(f"a strip {width} pixels wide has no room for {text!r}; make it wider or the text shorter")
