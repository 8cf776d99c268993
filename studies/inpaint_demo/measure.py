"""What masks of holes do behind partial convolutions, with a fixed kernel that averages. Nothing is trained.

With equal weights 1 / (k * k) the ratio of Eq. 2 makes Eq. 1 the mean of what is valid in the window, exactly. Other
smoothing kernels would not do: the ratio counts positions and not their weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from padding import PartialConv2d, forward_masked

DEEPER = 10
"""How many times as many layers `Errors.deeper` has."""


@dataclass(frozen=True)
class Closing:
    """A layer of a chain and the mask behind it.

    Attributes:
        stride: of the layer.
        valid: (H, W) bool, the mask behind the layer.
        before: (H, W) bool, the mask before it at the middles of its windows.
        predicted: (H, W) bool, the mask by `predict_mask`.
    """

    stride: int
    valid: Tensor
    before: Tensor
    predicted: Tensor


@dataclass(frozen=True)
class Filling:
    """An image behind a layer, filled in twice.

    Attributes:
        valid: (N, 1 or C, H, W) bool, the mask behind the layer.
        partial: (N, C, H, W), filled in by partial convolutions.
        plain: the same by plain convolutions with the same weights, of zeros in the holes.
    """

    valid: Tensor
    partial: Tensor
    plain: Tensor


@dataclass(frozen=True)
class Errors:
    """Mean absolute differences from the intact image in the holes, in its units.

    Attributes:
        partial: filled in by partial convolutions.
        plain: by plain ones, each pixel by the first layer that reaches it.
        anew: by as many plain ones, every pixel of the holes by every layer.
        deeper: the same by DEEPER times as many.
        flat: one colour for all holes, the mean of what is known.
    """

    partial: float
    plain: float
    anew: float
    deeper: float
    flat: float


@dataclass(frozen=True)
class Growing:
    """An image on a larger canvas behind a layer.

    Attributes:
        output: (C, H, W), 0 where it is not valid.
        size: rows and columns that are valid.
    """

    output: Tensor
    size: tuple[int, int]


def averaging(channels: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    """A partial convolution that gives each channel the mean of what is valid in its window."""
    layer = PartialConv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=False)
    nn.init.constant_(layer.weight, 1 / kernel**2)
    return layer.requires_grad_(False)


def close_holes(valid: Tensor, kernel: int, strides: Sequence[int]) -> list[Closing]:
    """The masks behind a chain of partial convolutions, up to the first that is all ones.

    Args:
        valid: (H, W) bool, False in a hole.
        kernel: of every layer, odd.
        strides: of the layers.

    Raises:
        ValueError: without a hole, or with nothing but holes.
    """
    _check(valid)
    mask, layers = valid[None, None], []
    for number, stride in enumerate(strides, start=1):
        before = mask[..., ::stride, ::stride]
        _, mask = averaging(1, kernel, stride)(mask.float(), mask)
        predicted = predict_mask(valid, kernel, strides[:number])
        layers.append(Closing(stride, mask[0, 0], before[0, 0], predicted))
        if mask.all():
            break
    return layers


def predict_mask(valid: Tensor, kernel: int, strides: Sequence[int]) -> Tensor:
    """The mask behind a chain, from the image's mask in one step.

    Eq. 3, layer after layer, says that a position is valid if there is anything valid in the part of the image that
    reaches it. For odd kernels padded by half of their size and strides up to that half plus 1 it is a square.

    Args:
        valid: (H, W) bool.

    Returns:
        bool, (H, W) divided by the product of the strides and rounded up.
    """
    side, step = receptive_field(kernel, strides)
    found = valid[None].float()
    found = F.max_pool2d(found, (side, 1), (step, 1), (side // 2, 0))
    return F.max_pool2d(found, (1, side), (1, step), (0, side // 2))[0] > 0


def receptive_field(kernel: int, strides: Sequence[int]) -> tuple[int, int]:
    """Side of the square of pixels that reaches a position behind a chain, and pixels from one to the next."""
    side = step = 1
    for stride in strides:
        side, step = side + (kernel - 1) * step, step * stride
    return side, step


def fill_holes(image: Tensor, valid: Tensor, kernel: int) -> list[Filling]:
    """Fills an image in, a layer at a time, until the mask is all ones.

    Each layer gives values to the positions that become valid behind it; the others stay as they are.

    Args:
        image: (N, C, H, W); nothing is read of what it holds in the holes.
        valid: (N, 1 or C, H, W) bool, False in a hole.
        kernel: of every layer, odd.

    Returns:
        The image before the first layer, holes black, and behind each layer.

    Raises:
        ValueError: without a hole, or with an image or channel that is nothing but holes.
    """
    _check(valid)
    layer = averaging(image.shape[1], kernel)
    known = torch.where(valid, image, 0.0)
    steps = [Filling(valid, known, known)]
    while not steps[-1].valid.all():
        mask, partial, plain = steps[-1].valid, steps[-1].partial, steps[-1].plain
        averaged, behind = layer(partial, mask)
        fresh, blurred = behind & ~mask, _plain(plain, layer)
        steps.append(Filling(behind, torch.where(fresh, averaged, partial), torch.where(fresh, blurred, plain)))
    return steps


def blur_holes(image: Tensor, valid: Tensor, kernel: int, count: int) -> Tensor:
    """The image behind `count` plain convolutions, each of which gives values to all pixels in the holes anew.

    Args and shape as of `fill_holes`.
    """
    known, layer = torch.where(valid, image, 0.0), averaging(image.shape[1], kernel)
    blurred = known
    for _ in range(count):
        blurred = torch.where(valid, known, _plain(blurred, layer))
    return blurred


def difference(filled: Tensor, intact: Tensor, valid: Tensor) -> float:
    """Mean absolute difference of two images in the holes."""
    return (filled - intact).abs()[~valid.expand_as(intact)].mean().item()


def measure(intact: Tensor, steps: Sequence[Filling], kernel: int) -> Errors:
    """How far off the fillings of `fill_holes` are, and those of other ways.

    Args:
        intact: (N, C, H, W), the image that was filled in.
        steps: with a mask of one channel.
    """
    valid, count = steps[0].valid, len(steps) - 1
    known = torch.where(valid, intact, 0.0)
    flat = known.sum((2, 3), keepdim=True) / valid.sum((2, 3), keepdim=True)
    filled = {
        "partial": steps[-1].partial,
        "plain": steps[-1].plain,
        "anew": blur_holes(intact, valid, kernel, count),
        "deeper": blur_holes(intact, valid, kernel, DEEPER * count),
        "flat": flat.expand_as(intact),
    }
    return Errors(**{name: difference(each, intact, valid) for name, each in filled.items()})


def grow(image: Tensor, margin: int, kernel: int) -> list[Growing]:
    """An image at the top left of a canvas, through layer after layer, until the canvas is valid.

    The "case of big padding size" of section 3; `padding.forward_masked` does the same to whole networks.

    Args:
        image: (C, H, W).
        margin: rows and columns that the canvas is larger.
        kernel: of every layer, odd.

    Returns:
        Before the first layer and behind each.
    """
    channels, *size = image.shape
    canvas = F.pad(image, (0, margin, 0, margin))
    layers = nn.Sequential(*(averaging(channels, kernel) for _ in range(-(-margin // (kernel // 2)))))
    steps = [Growing(canvas, tuple(size))]
    for count in range(1, len(layers) + 1):
        output, valid = forward_masked(layers[:count], canvas[None], [size], rule="grow")
        found = valid if valid is not None else torch.tensor([[(0, side) for side in canvas.shape[1:]]])
        steps.append(Growing(output[0], tuple(found[0, :, 1].tolist())))
    return steps


def _plain(image: Tensor, layer: nn.Conv2d) -> Tensor:
    return F.conv2d(image, layer.weight, None, layer.stride, layer.padding, groups=layer.groups)


def _check(valid: Tensor) -> None:
    if valid.all():
        raise ValueError("the mask has no hole: there is nothing to fill in")
    if not valid.flatten(-2).any(-1).all():
        raise ValueError("the mask is nothing but holes: there is nothing to fill in from, and it never closes")
