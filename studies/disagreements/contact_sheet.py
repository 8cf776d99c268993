"""Small pictures in rows, each with a caption, as one PNG."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

COLUMNS = 6
SIDE = 1.45
"""Of a picture, in inches."""
PIXELS = 110
"""Of an inch."""
CAPTION, TITLE = 0.17, 0.42
"""Height of a line of a caption, and of a title, in inches."""
LONGEST = 22
"""Characters of a caption's line."""


@dataclass(frozen=True)
class Picture:
    """An image file, its class, and lines below that."""

    path: Path
    label: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Strip:
    """Pictures under a common title."""

    title: str
    pictures: Sequence[Picture]


def draw(strips: Sequence[Strip]) -> bytes | None:
    """PNG of all strips that have pictures, on white; None without any."""
    strips = [strip for strip in strips if strip.pictures]
    if not strips:
        return None
    heights = [_height(strip) for strip in strips]
    with mpl.rc_context({"font.family": ["sans-serif"], "text.parse_math": False}):
        figure = Figure(figsize=(COLUMNS * (SIDE + 0.12) + 0.12, sum(heights)), dpi=PIXELS, facecolor="white")
        FigureCanvasAgg(figure)
        top = sum(heights)
        for strip, height in zip(strips, heights, strict=True):
            _draw_strip(figure, strip, top)
            top -= height
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def as_jpeg(png: bytes) -> bytes:
    """The same picture a tenth as large, for a page that holds it."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(buffer, format="jpeg", quality=85)
    return buffer.getvalue()


def _rows(strip: Strip) -> int:
    return math.ceil(len(strip.pictures) / COLUMNS)


def _cell_height(strip: Strip) -> float:
    return SIDE + CAPTION * (1.6 + max(len(picture.lines) for picture in strip.pictures))


def _height(strip: Strip) -> float:
    return TITLE + _rows(strip) * _cell_height(strip) + 0.1


def _draw_strip(figure: Figure, strip: Strip, top: float) -> None:
    width, height = figure.get_size_inches()
    figure.text(0.12 / width, (top - 0.26) / height, strip.title, fontsize=11, weight="bold", va="baseline")
    for number, picture in enumerate(strip.pictures):
        row, column = divmod(number, COLUMNS)
        left = 0.12 + column * (SIDE + 0.12)
        bottom = top - TITLE - row * _cell_height(strip) - SIDE
        axes = figure.add_axes((left / width, bottom / height, SIDE / width, SIDE / height))
        axes.set_axis_off()
        with Image.open(picture.path) as image:
            axes.imshow(enlarged(image.convert("RGB")))
        middle = (left + SIDE / 2) / width
        figure.text(middle, (bottom - CAPTION) / height, _cut(picture.label), fontsize=9, weight="bold", ha="center")
        for line, text in enumerate(picture.lines, start=2):
            figure.text(
                middle, (bottom - line * CAPTION) / height, _cut(text), fontsize=9, color="#a03000", ha="center"
            )


def enlarged(image: Image.Image) -> Image.Image:
    """The image so large that it fills its place; small ones smoothly, to be recognised."""
    scale = SIDE * PIXELS * 1.5 / max(image.size)
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return image.resize(size, Image.Resampling.LANCZOS)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
