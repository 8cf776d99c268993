"""The pictures of `main.py inpaint-demo`: uint8 (H, W, 3), from what studies.inpaint_demo.measure computed."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from evaluation.pictures.class_maps import legend
from evaluation.pictures.grid import headings, row, stack
from studies.inpaint_demo.measure import Closing, Errors, Filling, Growing

LARGE, SMALL = 640, 320
"""Longer side of a panel in pixels, two and four to a row."""
COLUMNS = 4

VALID, FRESH, HOLE = (236, 239, 242), (240, 138, 36), (44, 50, 58)
MASK_NAMES = ("valid before the layer", "becomes valid in it", "hole")


def draw_point(intact: Tensor, steps: Sequence[Filling], errors: Errors) -> np.ndarray:
    """The image (C, H, W) with holes and intact, above what both convolutions make of it."""
    first, last = steps[0], steps[-1]
    shown = [as_picture(each) for each in (first.partial[0], intact, last.plain[0], last.partial[0])]
    words = [
        f"with holes: {percent(~first.valid)} of the pixels",
        "intact, for comparison",
        f"plain convolution, zeros in the holes: off by {errors.plain:.1f}",
        f"partial convolution: off by {errors.partial:.1f}",
    ]
    return _rows([panel(each, LARGE) for each in shown], words, 2)


def draw_filling(steps: Sequence[Filling]) -> np.ndarray:
    """Masks, plain and partial convolution, a column for each of a few layers, of the part that `cutout` finds."""
    numbers, (rows, columns) = chosen(len(steps) - 1), cutout(steps[0].valid[0, 0])
    masks = [mask_picture(steps[k].valid[0, 0], steps[k - 1].valid[0, 0]) for k in numbers]
    plain, partial = ([as_picture(getattr(steps[k], name)[0]) for k in numbers] for name in ("plain", "partial"))
    strips = [
        _rows([panel(each[rows, columns], SMALL) for each in shown], [f"{what}, layer {k}" for k in numbers], COLUMNS)
        for what, shown in (("mask", masks), ("plain", plain), ("partial", partial))
    ]
    return stack([*strips, _mask_legend(strips[0].shape[1])])


def draw_masks(valid: Tensor, layers: Sequence[Closing]) -> np.ndarray:
    """The image's mask (H, W) and those behind the layers of a chain, all as large as the first."""
    shown = [mask_picture(valid, valid), *(mask_picture(each.valid, each.before) for each in layers)]
    sizes = [f"{each.valid.shape[0]} x {each.valid.shape[1]}" for each in layers]
    words = [
        f"layer {number}, stride {each.stride}: {size}"
        for number, (each, size) in enumerate(zip(layers, sizes, strict=True), start=1)
    ]
    first = panel(shown[0], SMALL)
    panels = [first, *(panel(_scaled(each, valid.shape), SMALL) for each in shown[1:])]
    grid = _rows(panels, [f"image: {valid.shape[0]} x {valid.shape[1]}", *words], COLUMNS)
    return stack([grid, _mask_legend(grid.shape[1])])


def draw_channel(steps: Sequence[Filling], words: Sequence[str]) -> np.ndarray:
    """Before the first layer and behind the last, by plain and by partial convolution."""
    shown = (steps[0].partial, steps[-1].plain, steps[-1].partial)
    return _rows([panel(as_picture(each[0]), LARGE * 2 // 3) for each in shown], words, 3)


def draw_growing(steps: Sequence[Growing]) -> np.ndarray:
    """The canvas behind a few of the layers; what is not valid has the colour of holes."""
    numbers = [0, *chosen(len(steps) - 1, COLUMNS - 1)]
    panels = []
    for k in numbers:
        picture = as_picture(steps[k].output)
        rows, columns = steps[k].size
        picture[rows:], picture[:, columns:] = HOLE, HOLE
        panels.append(panel(picture, SMALL))
    sizes = [f"{steps[k].size[0]} x {steps[k].size[1]}" for k in numbers]
    words = [f"layer {k}: {size}" if k else f"image: {size}" for k, size in zip(numbers, sizes, strict=True)]
    return _rows(panels, words, COLUMNS)


def cutout(valid: Tensor) -> tuple[slice, slice]:
    """Rows and columns of a part a quarter as high and wide as the mask (H, W): the one nearest to half hole."""
    height, width = (-(-side // 4) for side in valid.shape)
    shares = F.avg_pool2d(valid[None].float(), (height, width), 1)[0]
    top, left = divmod(int((shares - 0.5).abs().argmin()), shares.shape[1])
    return slice(top, top + height), slice(left, left + width)


def chosen(last: int, count: int = COLUMNS) -> list[int]:
    """At most `count` layers from 1 to `last`, both included, closer together at first."""
    return sorted({round(each) for each in np.geomspace(1, last, count)})


def percent(found: Tensor) -> str:
    """Share of True; 0 and 100 % are said of none and of all alone."""
    share = 100 * found.double().mean().item()
    digits = 1 if share in (0, 100) or 0.05 <= share < 99.95 else 3
    return f"{share:.{digits}f} %"


def as_png(pixels: np.ndarray) -> bytes:
    """A picture (H, W, 3) uint8 as the content of a PNG file."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", optimize=True)
    return encoded.getvalue()


def as_picture(image: Tensor) -> np.ndarray:
    """(3, H, W) of values 0 to 255 as a picture."""
    return image.permute(1, 2, 0).round().clamp(0, 255).byte().numpy().copy()


def mask_picture(valid: Tensor, before: Tensor) -> np.ndarray:
    """A mask (H, W), with those in another colour that are valid only now."""
    now, earlier = valid.numpy()[..., None], before.numpy()[..., None]
    return np.where(earlier, VALID, np.where(now, FRESH, HOLE)).astype(np.uint8)


def panel(picture: np.ndarray, longest: int) -> np.ndarray:
    """The picture with a longer side of `longest`; narrow ones get white at their right, for a heading to fit."""
    factor = longest / max(picture.shape[:2])
    scaled = _scaled(picture, [max(1, round(factor * side)) for side in picture.shape[:2]])
    missing = max(0, longest * 3 // 5 - scaled.shape[1])
    return np.pad(scaled, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _scaled(picture: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """To height and width, pixels kept as squares: what a layer did to each is to be seen."""
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.NEAREST))


def _rows(panels: Sequence[np.ndarray], words: Sequence[str], columns: int) -> np.ndarray:
    strips = []
    for start in range(0, len(panels), columns):
        part = panels[start : start + columns]
        strips += [headings(words[start : start + columns], part[0].shape[1]), row(part)]
    return stack(strips)


def _mask_legend(width: int) -> np.ndarray:
    return legend(MASK_NAMES, (VALID, FRESH, HOLE), width)
