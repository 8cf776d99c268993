"""A network's maps of an image with a margin of real context, cut to where the image without it lies."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import torch
from torch import Tensor, nn

from evaluation.errors import EvaluationError

GATES = ("SqueezeExcite", "SEModule", "EffectiveSEModule", "EcaModule", "CecaModule")
"""Modules that scale channels by a function of the map's mean."""

POOLS = ("ImageBranch",)
"""Modules whose output is a function of the map's mean alone (DeepLab's global pool)."""

Sides = tuple[int, int]
Shares = tuple[Fraction, Fraction]
"""Of a larger image's height and width that the small one takes."""


def cut(maps: Tensor, sides: Sides) -> Tensor:
    """The centre of `maps` (N, C, H, W): where a small image of `sides` there lies."""
    top, left = ((large - small) // 2 for large, small in zip(maps.shape[2:], sides, strict=True))
    return maps[:, :, top : top + sides[0], left : left + sides[1]]


def without_margin(maps: Tensor, margin: int) -> Tensor:
    """Maps (..., H, W) without `margin` positions on each side."""
    height, width = maps.shape[-2:]
    return maps[..., margin : height - margin, margin : width - margin]


def shares_of(images: Tensor, margin: int) -> Shares:
    """Of images (N, 3, H, W) with `margin` pixels on each side around the small ones."""
    height, width = (Fraction(length - 2 * margin, length) for length in images.shape[2:])
    return height, width


def sides_of(maps: Tensor, shares: Shares) -> Sides:
    """Height and width of the small image's part of maps of a larger one."""
    height, width = (round(length * share) for length, share in zip(maps.shape[2:], shares, strict=True))
    return height, width


def logits_in_context(network: nn.Module, images: Tensor, margin: int) -> Tensor:
    """Logits of images without their margin, from maps of the images with it: no padding within reach of the result.

    The last map before the pool of a classifier is cut to the image without its margin, and so are the logits of a
    dense network. The far border of the margin is padded as the network pads.

    Args:
        network: a timm classifier, or a dense network of logits (N, C, H, W).
        images: (N, 3, H, W).
        margin: in pixels on each side; a multiple of the network's total stride.

    Returns:
        (N, classes), or (N, C, H - 2 margin, W - 2 margin).

    Raises:
        EvaluationError: if the network has no such maps, or the margin does not fit its stride.
    """
    shares = shares_of(images, margin)
    with local_means(network, shares):
        if not hasattr(network, "forward_head"):
            logits = network(images)
            if logits.dim() != 4 or logits.shape[2:] != images.shape[2:]:
                raise EvaluationError("this network has no last map that a margin could be cut from; leave margin at 0")
            _check_stride(margin, getattr(network, "output_stride", 1))
            return without_margin(logits, margin)
        last = network.forward_features(images)
        if last.dim() != 4:
            raise EvaluationError("this network has no last map that a margin could be cut from; leave margin at 0")
        # Strides are powers of 2; an image that is no multiple has up to a position more, or a little less.
        _check_stride(margin, 2 ** math.ceil(math.log2(images.shape[-1] / last.shape[-1]) - 0.01))
        return network.forward_head(cut(last, sides_of(last, shares)))


def _check_stride(margin: int, stride: int) -> None:
    if margin % stride:
        raise EvaluationError(f"a margin of {margin} pixels does not fit a network of stride {stride}; give a multiple")


@contextmanager
def local_means(network: nn.Module, shares: Shares) -> Iterator[None]:
    """Within it, squeeze-and-excite modules and global pools take the mean of the cut map, as on the small image.

    Else the larger image would change every channel's scale, at the centre too, and the error would not be padding's.
    """

    def gate(module: nn.Module, inputs: tuple, _: Tensor) -> Tensor:
        centre = cut(inputs[0], sides_of(inputs[0], shares)).mean((2, 3), keepdim=True)
        # Of two positions with this mean, one apart, the module returns values that lie its gate apart.
        pair = module.forward(torch.cat([centre + 0.5, centre - 0.5], 3))
        return inputs[0] * (pair[..., :1] - pair[..., 1:])

    def pool(_: nn.Module, inputs: tuple) -> Tensor:
        return cut(inputs[0], sides_of(inputs[0], shares))

    hooks = [each.register_forward_hook(gate) for each in network.modules() if type(each).__name__ in GATES]
    hooks += [each.register_forward_pre_hook(pool) for each in network.modules() if type(each).__name__ in POOLS]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()
