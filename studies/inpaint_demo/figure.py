"""How holes close behind partial convolutions (Liu et al. 2018, Eq. 1 to 3), as one picture. Nothing is trained.

Every layer averages its window with equal weights. For these the ratio of Eq. 2 makes Eq. 1 the exact mean of the valid
positions; for other kernels it would not, since the ratio counts positions and not their weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from evaluation.pictures.class_maps import legend
from evaluation.pictures.grid import headings, row, stack
from padding import PartialConv2d

PANEL = 320
"""Longer side of a panel in pixels."""

COLUMNS = 4

VALID, FRESH, HOLE = (236, 239, 242), (240, 138, 36), (44, 50, 58)
MASK_NAMES = ("valid before the layer", "becomes valid in it", "hole")


@dataclass(frozen=True)
class Filling:
    """An image behind a layer, filled in twice with the same weights.

    Attributes:
        valid: (1, 1, H, W) bool, the mask behind the layer.
        partial: (1, C, H, W), by partial convolutions.
        plain: (1, C, H, W), by plain convolutions of zeros in the holes.
    """

    valid: Tensor
    partial: Tensor
    plain: Tensor


def fill_holes(image: Tensor, valid: Tensor, kernel: int) -> list[Filling]:
    """Fills an image in, a layer at a time, until the mask is all ones.

    A layer gives values to the positions that become valid in it (Eq. 3); the others stay as they are.

    Args:
        image: (1, C, H, W); what it holds in the holes is never read.
        valid: (1, 1, H, W) bool, False in a hole.
        kernel: of every layer, odd.

    Returns:
        The image before the first layer, its holes 0, and behind each layer.

    Raises:
        ValueError: without a hole, or with nothing but holes.
    """
    if valid.all() or not valid.any():
        raise ValueError("the mask needs both a hole and a valid position")
    channels = image.shape[1]
    layer = PartialConv2d(channels, channels, kernel, padding=kernel // 2, groups=channels, bias=False)
    nn.init.constant_(layer.weight, 1 / kernel**2)
    layer.requires_grad_(False)
    known = torch.where(valid, image, 0.0)
    steps = [Filling(valid, known, known)]
    while not steps[-1].valid.all():
        mask, last = steps[-1].valid, steps[-1]
        averaged, behind = layer(last.partial, mask)
        blurred = F.conv2d(last.plain, layer.weight, padding=layer.padding, groups=channels)
        fresh = behind & ~mask
        steps.append(
            Filling(behind, torch.where(fresh, averaged, last.partial), torch.where(fresh, blurred, last.plain))
        )
    return steps


def off_by(filled: Tensor, intact: Tensor, valid: Tensor) -> float:
    """Mean absolute difference from the intact image in the holes, in its units."""
    return (filled - intact).abs()[~valid.expand_as(intact)].mean().item()


def draw(intact: Tensor, steps: Sequence[Filling]) -> np.ndarray:
    """Above the image with holes, intact, and filled in twice; below the masks behind some of the layers.

    Args:
        intact: (1, C, H, W), 0 to 255.
        steps: of `fill_holes`.

    Returns:
        uint8 (H, W, 3).
    """
    valid, last = steps[0].valid, steps[-1]
    plain, partial = (off_by(each, intact, valid) for each in (last.plain, last.partial))
    words = [
        f"holes: {100 * (~valid).double().mean():.1f} % of the pixels",
        "intact, for comparison",
        f"plain convolutions: off by {plain:.1f}",
        f"partial convolutions: off by {partial:.1f}",
    ]
    images = [
        each[0].permute(1, 2, 0).round().clamp(0, 255).byte().numpy()
        for each in (steps[0].partial, intact, last.plain, last.partial)
    ]
    # Closer together at first: most holes close in the first layers.
    layers = sorted({round(each) for each in np.geomspace(1, len(steps) - 1, COLUMNS)})
    masks = [_mask_picture(steps[k].valid[0, 0], steps[k - 1].valid[0, 0]) for k in layers]
    rows = [_row(images, words), _row(masks, [f"mask behind layer {k}" for k in layers])]
    return stack([*(strip for strips in rows for strip in strips), legend(MASK_NAMES, (VALID, FRESH, HOLE), 4 * PANEL)])


def _mask_picture(valid: Tensor, before: Tensor) -> np.ndarray:
    now, earlier = valid.numpy()[..., None], before.numpy()[..., None]
    return np.where(earlier, VALID, np.where(now, FRESH, HOLE)).astype(np.uint8)


def _row(pictures: Sequence[np.ndarray], words: Sequence[str]) -> list[np.ndarray]:
    panels = [_panel(each) for each in pictures]
    return [headings(words, panels[0].shape[1]), row(panels)]


def _panel(picture: np.ndarray) -> np.ndarray:
    """Enlarged with pixels kept as squares; a narrow picture gets white at its right, for its heading to fit."""
    factor = PANEL / max(picture.shape[:2])
    height, width = (max(1, round(factor * side)) for side in picture.shape[:2])
    scaled = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST))
    return np.pad(scaled, ((0, 0), (0, max(0, PANEL * 4 // 5 - width)), (0, 0)), constant_values=255)
