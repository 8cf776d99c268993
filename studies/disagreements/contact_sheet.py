"""Small pictures in rows, each with a caption, as one PNG."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure as Canvas
from PIL import Image

from studies.page.drawing import draw_png

COLUMNS = 6
SIDE = 1.57
"""Side of a picture with its margin, in inches."""
CAPTION, TITLE = 0.19, 0.45
"""Heights of a caption's line, and of a title, in inches."""
LONGEST = 22
"""Largest number of characters in a caption's line."""


@dataclass(frozen=True)
class Thumbnail:
    """An image file with its caption: its class, and lines below the class."""

    path: Path
    label: str
    lines: Sequence[str]


def draw(strips: Mapping[str, Sequence[Thumbnail]]) -> bytes | None:
    """Draws the pictures under each title as a PNG on white; returns None if there are no pictures."""
    strips = {title: pictures for title, pictures in strips.items() if pictures}
    if not strips:
        return None
    rows = [math.ceil(len(pictures) / COLUMNS) for pictures in strips.values()]
    lines = [1 + max(len(each.lines) for each in pictures) for pictures in strips.values()]
    heights = [TITLE + count * (SIDE + CAPTION * below) for count, below in zip(rows, lines, strict=True)]

    def fill(canvas: Canvas) -> None:
        parts = canvas.subfigures(len(strips), height_ratios=heights, squeeze=False)
        for part, count, (title, pictures) in zip(parts.flat, rows, strips.items(), strict=True):
            part.suptitle(title, x=0.01, ha="left", fontsize=11, weight="bold")
            places = part.subplots(count, COLUMNS, squeeze=False).ravel()
            for place in places:
                place.set_axis_off()
            for place, picture in zip(places, pictures, strict=False):
                # Lanczos, because images of a few pixels are easier to recognise when they are enlarged smoothly.
                place.imshow(Image.open(picture.path).convert("RGB"), interpolation="lanczos")
                below = {"transform": place.transAxes, "ha": "center", "va": "top"}
                place.text(0.5, -0.03, _cut(picture.label), weight="bold", **below)
                place.text(0.5, -0.03, "\n".join(["", *map(_cut, picture.lines)]), color="#a03000", **below)

    return draw_png(fill, (COLUMNS * SIDE, sum(heights)), pixels=110)


def as_jpeg(png: bytes) -> bytes:
    """The picture as JPEG, a tenth of the bytes, to be embedded in the page."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, format="jpeg", quality=85)
    return buffer.getvalue()


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
