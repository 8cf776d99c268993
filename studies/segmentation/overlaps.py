"""Measures how often a pixel's class changes between patches of an image, and how far from a patch's border.

meanE and disR: Mukai and Yamanaka, Improving Translation Invariance in Convolutional Neural Networks with Peripheral
Prediction Padding, ICIP 2023, https://arxiv.org/abs/2307.07725. Patches are a multiple of the network's stride apart,
so that the grid of its maps stays in place and only the border moves.
"""

from collections.abc import Callable, Iterable
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from datamodules.loading.on_device import normalise
from evaluation import distance_groups
from evaluation.tiles import Box
from lightning_modules import SegmentationModule
from records.errors import UserError
from studies.checkpoints.load import Trained
from studies.segmentation.seams import EDGES, SHIFTS
from studies.stats.sample import evenly

Network = Callable[[Tensor], Tensor]
"""Computes logits (N, C, h, w) of normalised images (N, 3, h, w)."""


def patch_side(height: int, width: int, stride: int) -> int:
    """About half of the shorter side: a multiple of the stride, plus 1, so that strided convolutions pad evenly."""
    return min(height, width) // 2 // stride * stride + 1


def measure(
    network: Network, images: Iterable[Tensor], stride: int, side: int | None
) -> tuple[dict[str, list[float | None]], int]:
    """Measures images (3, H, W), each large enough for a patch and its shifts; returns means over images, and n.

    Args:
        stride: stride of the network, in pixels.
        side: side of the patches, in pixels; None for `patch_side`.

    Returns:
        meanE: entropy in nats of the classes that a pixel gets, mean over pixels; disR: pixels in percent with more
        than one class. For the same pixel in two patches, by distance (EDGES) to the nearer of their borders, apart:
        different decisions in percent; squared: squared difference of the logits / their mean square.

    Raises:
        UserError: an image or a patch is too small.
    """
    entropy = several = 0.0
    sums, count = torch.zeros(4, len(EDGES) + 1, dtype=torch.double), 0
    room = (SHIFTS - 1) * stride
    for image in images:
        size, shorter = " x ".join(map(str, reversed(image.shape[1:]))), min(image.shape[1:])
        if shorter <= 2 * room:
            raise UserError(
                f"an image of {size} pixels is too small for patches of any size, {SHIFTS} a side and {stride} apart: "
                f"they need {2 * room + 1}; give larger images with --data-root, or a network of a smaller stride"
            )
        length = side or patch_side(*image.shape[1:], stride)
        if length <= room:
            raise UserError(
                f"patches of {length} pixels, {SHIFTS} a side and {stride} apart, have no pixel in common; "
                "give a larger --tile-size"
            )
        need = length + max(room, half(length, stride))
        if shorter < need:
            raise UserError(
                f"an image of {size} pixels is too small for overlapping patches of {length}: they need {need}; "
                "give a smaller --tile-size"
            )
        found = stability(network, image, length, stride)
        entropy, several = entropy + found[0], several + found[1]
        sums += mismatch(network, image, length, stride)
        count += 1
    pixels, apart, off, square = sums
    # A bin that no pair of patches reaches has no value.
    shares = {"apart": 100 * apart / pixels, "squared": off / square}
    values = {name: [None if each != each else each for each in found.tolist()] for name, found in shares.items()}
    return {"meanE": [entropy / count], "disR": [100 * several / count], **values}, count


def stability(network: Network, image: Tensor, side: int, stride: int) -> tuple[float, float]:
    """Mean entropy of a pixel's classes over the SHIFTS x SHIFTS central patches; share of pixels with several."""
    room = (SHIFTS - 1) * stride
    top, left = ((length - side - room) // 2 for length in image.shape[1:])
    votes = torch.tensor(0)
    for row, column in product(range(SHIFTS), repeat=2):
        down, right = row * stride, column * stride
        scores = network(patch(image, top + down, left + right, side))[0]
        # The part common to all patches begins `room` below the top of the first, and at the top of the last.
        common = scores[:, room - down : side - down, room - right : side - right].argmax(0)
        votes = votes + one_hot(common, len(scores))
    share = votes.double() / SHIFTS**2
    return float(torch.special.entr(share).sum(-1).mean()), float(((share > 0).sum(-1) > 1).double().mean())


def mismatch(network: Network, image: Tensor, side: int, stride: int) -> Tensor:
    """Sums over neighbouring patches, (4, bins): pixels, disagreements, squared differences and squares of logits."""
    step = half(side, stride)
    places = list(product(*(range(0, length - side + 1, step) for length in image.shape[1:])))
    seen = {}
    for top, left in places:
        scores = network(patch(image, top, left, side))[0]
        # Centred, because a constant added to all logits of a pixel changes no decision.
        seen[top, left] = scores - scores.mean(0)
    sums = torch.zeros(4, len(EDGES) + 1, dtype=torch.double)
    for (top, left), (down, right) in product(places, ((step, 0), (0, step))):
        if (top + down, left + right) in seen:
            one = seen[top, left][:, down:, right:]
            other = seen[top + down, left + right][:, : side - down, : side - right]
            bins = distance_groups(nearer(side, down, right), EDGES).flatten().long()
            differ = (one.argmax(0) != other.argmax(0)).double()
            parts = [torch.ones_like(differ), differ, (one - other).square().mean(0)]
            parts.append((one.square() + other.square()).mean(0) / 2)
            sums.index_add_(1, bins, torch.stack(parts).flatten(1).double().cpu())
    return sums


def nearer(side: int, down: int, right: int) -> Tensor:
    """Distance to the nearest border of two patches, in their common part; the second lies `down` and `right`."""
    axes = [_depth(side)[shift:].minimum(_depth(side)[: side - shift]) for shift in (down, right)]
    return axes[0][:, None].minimum(axes[1][None])


def _depth(length: int) -> Tensor:
    along = torch.arange(length, dtype=torch.int32)
    return along.minimum(along.flip(0))


def half(side: int, stride: int) -> int:
    """Step between neighbouring patches: half of a patch, as a multiple of the stride."""
    return max(1, side // 2 // stride) * stride


def patch(image: Tensor, top: int, left: int, side: int) -> Tensor:
    """A patch of an image, (1, 3, side, side)."""
    return image[None, :, *Box(top, left, top + side, left + side).slices]


def measure_scenes(trained: Trained, count: int, side: int | None) -> tuple[dict[str, list[float | None]], int]:
    """Runs `measure` with a run on `count` of its test images, evenly spaced. Raises UserError for classifiers."""
    if not isinstance(trained.module, SegmentationModule):
        raise UserError("is a run of classification; --seams is of segmentation")
    data = trained.find_images().data
    files, device = data.val_set(), trained.module.device
    numbers = evenly(range(len(files)), count)
    images = (normalise(files[number][0][None].to(device), data.mean, data.std)[0] for number in numbers)
    return measure(trained.module, images, trained.module.network.output_stride, side)
