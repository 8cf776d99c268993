"""Draws class maps: classes over the photograph, tile seams, the left-out centre, and a legend.

Every function takes and returns uint8 pictures (H, W, 3), raises ValueError for others, and does not change its
arguments, so that calls chain (colours are red, green and blue per class, boxes are in pixels):
`np.concatenate([draw_tiles(overlay(image, classes, colours), boxes), legend(names, colours, width)])`.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Box = tuple[int, int, int, int]
"""(top, left, bottom, right) in pixels; bottom and right are excluded."""

Colours = np.ndarray | Sequence[Sequence[int]]
"""Red, green and blue per class, 0 to 255: (C, 3)."""

BLACK, WHITE, INK, FRAME = (0, 0, 0), (255, 255, 255), (27, 31, 36), (120, 126, 134)

SMALLEST_TEXT = 7
"""Size in pixels; smaller text is illegible."""

FINER = 4
"""Text is drawn at 4 times its size and then reduced, because hinting distorts letters of 12 pixels."""


def overlay(image: np.ndarray, classes: np.ndarray, colours: Colours, opacity: float = 0.5) -> np.ndarray:
    """Draws the colours of the classes over the photograph in grey.

    Grey, because a red car under a blue class would look like a third class. Pixels without a class (any value outside
    the colours, such as 255) are darkened. `classes` is (H, W); `opacity` of the colours goes from 0 (only the
    photograph) to 1 (only the class map). Raises ValueError if shapes do not fit or `opacity` is out of range.

    >>> overlay(np.zeros((1, 2, 3), np.uint8), np.array([[0, 255]]), [(200, 0, 0)]).tolist()
    [[[100, 0, 0], [0, 0, 0]]]
    """
    _check_picture(image)
    if classes.shape != image.shape[:2]:
        raise ValueError(f"the classes have shape {classes.shape}, the image {image.shape}: heights and widths differ")
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity is {opacity}; it must be from 0 to 1")
    table = np.concatenate([np.asarray(colours, np.float32), [BLACK]]).astype(np.float32)
    known = (classes >= 0) & (classes < len(colours))
    # The table's last colour, black, is for pixels without a class.
    painted = table[np.where(known, classes.astype(np.intp), len(colours))]
    # At opacity 0 the photograph keeps its colours.
    ground = image if opacity == 0 else _grey(image)
    return _rounded((1 - opacity) * ground + opacity * painted)


def draw_tiles(picture: np.ndarray, boxes: Iterable[Box]) -> np.ndarray:
    """Draws the tiles' borders inside the picture as dashes of white and black, one of which stands out anywhere.

    Lines are 1 pixel wide if the longer side has up to 1,000 pixels, and proportionally wider beyond.

    >>> draw_tiles(np.full((1, 4, 3), 9, np.uint8), [(0, 0, 1, 2), (0, 2, 1, 4)])[0, :, 0].tolist()
    [9, 9, 255, 9]
    """
    _check_picture(picture)
    drawn, line = picture.copy(), _line_width(picture)
    height, width = picture.shape[:2]
    for top, left, bottom, right in boxes:
        # The picture's own border is no seam.
        for row in {top, bottom} - {0, height}:
            drawn[_across(row, line), left:right] = _dashes(left, right, line)[None]
        for column in {left, right} - {0, width}:
            drawn[top:bottom, _across(column, line)] = _dashes(top, bottom, line)[:, None]
    return drawn


def leave_out(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draws the pixels that do not count, `mask` (H, W) bool, grey and hatched as in Figure 7 of the paper.

    Raises ValueError for a mask of another size or dtype.

    >>> leave_out(np.zeros((1, 3, 3), np.uint8), np.array([[False, False, True]]))[0, :, 0].tolist()
    [0, 0, 75]
    """
    _check_picture(picture)
    if mask.shape != picture.shape[:2] or mask.dtype != bool:
        raise ValueError(f"the mask must be {picture.shape[:2]} bool like the picture, got {mask.shape} {mask.dtype}")
    line = _line_width(picture)
    rows, columns = np.ogrid[: picture.shape[0], : picture.shape[1]]
    hatch = (rows + columns) % (10 * line) < 2 * line
    # Faint and hatched, so that the content can be recognised but is seen not to count.
    shaded = 0.2 * _grey(picture) + np.where(hatch, 120.0, 75.0)[..., None]
    return np.where(mask[..., None], _rounded(shaded), picture)


def legend(names: Sequence[str], colours: Colours, width: int) -> np.ndarray:
    """Draws a strip of swatches and names in even columns, to place below or above a picture of the same width.

    Returns (h, width, 3) uint8, as high as needed; text grows with the width. Raises ValueError if colours and names
    differ in number or are none, or the longest name does not fit the width.

    >>> legend(["road", "sky"], [(128, 64, 128), (70, 130, 180)], width=200).shape[1:]
    (200, 3)
    """
    if len(names) != len(colours) or not names:
        raise ValueError(f"a legend needs a colour for each name, got {len(names)} names and {len(colours)} colours")
    size, cell = _fitting_text(names, width)
    rows = -(-len(names) // min(len(names), width // cell))
    # Only as many columns as these rows need, spread over the whole width.
    columns = -(-len(names) // rows)
    pitch, margin = round(1.6 * size), round(0.4 * size)
    strip = Image.new("RGB", (FINER * width, FINER * (rows * pitch + 2 * margin)), WHITE)
    for number, (name, colour) in enumerate(zip(names, colours, strict=True)):
        left = number % columns * width // columns + size // 2
        middle = number // columns * pitch + margin + pitch // 2
        _entry(ImageDraw.Draw(strip), left, middle, size, name, tuple(int(value) for value in colour))
    return np.asarray(strip.reduce(FINER))


def _entry(draw: ImageDraw.ImageDraw, left: int, middle: int, size: int, name: str, colour: tuple[int, ...]) -> None:
    """Draws a swatch and its name on a strip FINER times as large; coordinates are pixels of the final strip."""
    top, right, bottom = middle - size // 2, left + round(1.4 * size), middle + (size + 1) // 2
    frame = [FINER * left, FINER * top, FINER * right - 1, FINER * bottom - 1]
    draw.rectangle(frame, fill=colour, outline=FRAME, width=FINER)
    font = ImageFont.load_default(FINER * size)
    draw.text((FINER * (right + size // 2), FINER * middle), name, fill=INK, font=font, anchor="lm")


def _fitting_text(names: Sequence[str], width: int) -> tuple[int, int]:
    """The text's size, a 75th of the strip (at least 12) or less if the longest name needs it, and an entry's width."""
    for size in range(max(12, width // 75), SMALLEST_TEXT - 1, -1):
        font = ImageFont.load_default(FINER * size)
        cell = round(max(font.getlength(name) for name in names) / FINER + 3 * size)
        if cell <= width:
            return size, cell
    longest = max(names, key=len)
    raise ValueError(f"a legend {width} pixels wide has no room for {longest!r}; make it wider")


def _check_picture(picture: np.ndarray) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"a picture must be (H, W, 3) uint8, got {picture.shape} {picture.dtype}")


def _grey(picture: np.ndarray) -> np.ndarray:
    """Luma of ITU-R BT.601, (H, W, 1) float32."""
    return picture @ np.array([[0.299], [0.587], [0.114]], np.float32)


def _rounded(values: np.ndarray) -> np.ndarray:
    return (values + 0.5).clip(0, 255).astype(np.uint8)


def _line_width(picture: np.ndarray) -> int:
    return max(1, round(max(picture.shape[:2]) / 700))


def _across(place: int, line: int) -> slice:
    """The pixels covered by a line that runs between pixels place - 1 and place."""
    return slice(max(0, place - line // 2), place - line // 2 + line)


def _dashes(start: int, stop: int, line: int) -> np.ndarray:
    """Colours along a line from pixel `start` to `stop`; they depend only on the pixel, so that lines can coincide."""
    even = np.arange(start, stop) // (5 * line) % 2 == 0
    return np.where(even[:, None], np.uint8(255), np.uint8(0)).repeat(3, axis=1)
