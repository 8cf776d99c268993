"""Draws how partial convolutions close holes, layer by layer (Liu et al. 2018, Eq. 1 to 3). Nothing is trained.

Every layer averages its window with equal weights. With equal weights the ratio of Eq. 2 makes Eq. 1 the exact mean of
the valid positions; with other kernels it would not, since the ratio counts positions and not their weights.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch
from PIL import Image, ImageDraw
from torch import Tensor, nn

from padding import PartialConv2d
from studies.page.drawing import draw_png

COLUMNS, SIDE = 4, 2.7
"""Panels per row, and their side in inches, which has room for 320 pixels."""

VALID, FRESH, HOLE = (236, 239, 242), (240, 138, 36), (44, 50, 58)
MASK_COLOURS = {"valid before the layer": VALID, "becomes valid in it": FRESH, "hole": HOLE}

EXPLANATION = (
    "A layer fills the hole positions whose window holds a valid one, with the mean of these (partial convolution) or "
    "of the window, holes as zeros (plain); they then count\nas valid, so that holes close from their rims inwards, by "
    "half a window a layer. Above: the image, and what {0} layers make of it. Below: the mask behind some of them."
)


class Filling(NamedTuple):
    """An image after a layer, (1, C, H, W), filled in by partial and by plain convolutions with the same weights."""

    valid: Tensor
    """The mask after the layer, bool (1, 1, H, W)."""
    partial: Tensor
    plain: Tensor


def draw_holes(height: int, width: int, share: float, seed: int) -> np.ndarray:
    """Draws bent brush strokes until they cover the share; returns bool (height, width), True in a hole."""
    random, short = np.random.default_rng(seed), min(height, width)
    picture = Image.new("1", (width, height))
    pen = ImageDraw.Draw(picture)
    while np.asarray(picture).mean() < share:
        point, turn = random.random(2) * (width, height), random.uniform(0, 2 * math.pi)
        radius = max(random.uniform(0.015, 0.04) * short, 0.75)
        for _ in range(4):
            turn += random.uniform(-0.9, 0.9)
            end = point + random.uniform(0.08, 0.25) * short * np.array([math.cos(turn), math.sin(turn)])
            pen.line([*point, *end], fill=1, width=max(1, round(2 * radius)))
            pen.circle([*end], radius, fill=1)
            point = end
    return np.array(picture)


def fill_holes(image: Tensor, valid: Tensor, kernel: int) -> list[Filling]:
    """Returns the image before the first layer, with holes of 0, and after each layer until the mask is all ones.

    A layer changes only the positions that become valid in it (Eq. 3).

    Args:
        image: (1, C, H, W); its values in the holes are never read.
        valid: bool (1, 1, H, W), False in a hole; True somewhere.
        kernel: kernel size of every layer, odd.
    """
    channels = image.shape[1]
    layer = PartialConv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    nn.init.constant_(layer.weight, 1 / kernel**2).requires_grad_(False)
    known = torch.where(valid, image, 0.0)
    steps = [Filling(valid, known, known)]
    while not (last := steps[-1]).valid.all():
        averaged, behind = layer(last.partial, last.valid)
        blurred = nn.functional.conv2d(last.plain, layer.weight, padding=layer.padding, groups=channels)
        both = zip((averaged, blurred), last[1:], strict=True)
        steps.append(Filling(behind, *(torch.where(behind & ~last.valid, new, old) for new, old in both)))
    return steps


def off_by(filled: Tensor, intact: Tensor, valid: Tensor) -> float:
    """Mean absolute difference from the intact image in the holes, in the image's units."""
    return (filled - intact).abs()[~valid.expand_as(intact)].mean().item()


def draw(intact: Tensor, steps: Sequence[Filling]) -> bytes:
    """Draws a PNG: above, `intact` (1, C, H, W), 0 to 255, with holes, whole and filled in; below, masks by layer."""
    valid, last = steps[0].valid, steps[-1]
    shown = {
        f"holes: {100 * (~valid).double().mean():.1f} % of the pixels": steps[0].partial,
        "intact, for comparison": intact,
        f"plain convolutions: off by {off_by(last.plain, intact, valid):.1f}": last.plain,
        f"partial convolutions: off by {off_by(last.partial, intact, valid):.1f}": last.partial,
    }
    panels = {words: each[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy() for words, each in shown.items()}
    # Geometric steps, because most holes close in the first layers.
    for k in sorted({round(each) for each in np.geomspace(1, len(steps) - 1, COLUMNS)}):
        now, before = (step.valid[0, 0].numpy()[..., None] for step in (steps[k], steps[k - 1]))
        panels[f"mask behind layer {k}"] = np.where(before, VALID, np.where(now, FRESH, HOLE))
    height, width = intact.shape[-2:]
    key = [Patch(color=np.divide(colour, 255), label=name) for name, colour in MASK_COLOURS.items()]

    def fill(canvas: Canvas) -> None:
        places = canvas.subplots(2, COLUMNS).ravel()
        for place in places:
            place.set_axis_off()
        for place, (words, picture) in zip(places, panels.items(), strict=False):
            place.set_title(words, loc="left", fontsize=8)
            place.imshow(picture, interpolation="nearest")
        canvas.suptitle(EXPLANATION.format(len(steps) - 1), x=0.005, ha="left", fontsize=9)
        canvas.legend(handles=key, loc="outside lower left", ncols=len(key), frameon=False)

    return draw_png(fill, (COLUMNS * SIDE, 2 * SIDE * min(1, height / width) + 1), font_size=8)
