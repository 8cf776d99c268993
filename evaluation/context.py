"""Computes a network's maps of an image with a margin of real context, cut to the image without its margin."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from evaluation.errors import EvaluationError

GATES = ("SqueezeExcite", "SEModule", "EffectiveSEModule", "EcaModule", "CecaModule")
"""Names of modules that scale channels by a function of the map's mean."""

POOLS = ("ImageBranch",)
"""Names of modules whose output depends on the map's mean only (DeepLab's global pool)."""

Sides = tuple[int, int]
"""Height and width."""


def cut(maps: Tensor, sides: Sides) -> Tensor:
    """Cuts the centre of height and width `sides` out of `maps` (N, C, H, W)."""
    top, left = ((large - small) // 2 for large, small in zip(maps.shape[2:], sides, strict=True))
    return maps[:, :, top : top + sides[0], left : left + sides[1]]


def without_margin(maps: Tensor, margin: int) -> Tensor:
    """Cuts `margin` positions on each side off maps (..., H, W)."""
    height, width = maps.shape[-2:]
    return maps[..., margin : height - margin, margin : width - margin]


def stride_of(length: int, positions: int) -> int:
    """The stride, or a multiple of it, of a map with `positions` positions along an image side of `length` pixels.

    The quotient is not the stride if `length` is no multiple of it: strides are usually powers of 2, and networks round
    the size of maps up or down.

    >>> stride_of(225, 8), stride_of(240, 8), stride_of(225, 7), stride_of(224, 32)
    (32, 32, 32, 7)
    """
    nearest = 2 ** max(0, round(math.log2(length / positions)))
    for stride in (nearest, 2 * nearest):
        if -(-length // stride) == positions:
            return stride
    for stride in (nearest, nearest // 2):
        if stride and length // stride == positions:
            return stride
    # Patches of 7 or 14 pixels divide the side; else unpadded windows leave fewer positions than length / stride.
    return nearest if length % positions else length // positions


@dataclass(frozen=True)
class Context:
    """Sizes of images with context: `sides` in pixels, which include `margin` pixels of context on each side."""

    sides: Sides
    margin: int

    @classmethod
    def of(cls, images: Tensor, margin: int) -> "Context":
        height, width = images.shape[2:]
        return cls((height, width), margin)

    def inner(self, maps: Tensor) -> Sides:
        """Height and width of the part of maps (N, C, h, w) that shows the images without their margin."""
        height, width = (self._inner(*pair) for pair in zip(self.sides, maps.shape[2:], strict=True))
        return height, width

    def _inner(self, length: int, positions: int) -> int:
        stride = stride_of(length, positions)
        if self.margin % stride == 0:
            return positions - 2 * self.margin // stride
        # The margin is no whole number of this map's positions, so the small image gets its share, rounded.
        return round(positions * (length - 2 * self.margin) / length)


def last_map(network: nn.Module, images: Tensor) -> Tensor:
    """Computes the input of a timm classifier's head, (N, C, h, w); raises EvaluationError if it is no such map."""
    last = network.forward_features(images) if hasattr(network, "forward_features") else None
    if last is None or last.dim() != 4:
        raise EvaluationError("this network has no last map of features (N, C, h, w): nothing there has a border")
    return last.movedim(-1, 1) if _is_channels_last(network) else last


def logits_of(network: nn.Module, last: Tensor) -> Tensor:
    """Computes logits (N, classes) from a map of `last_map`, or from a part of it."""
    return network.forward_head(last.movedim(1, -1) if _is_channels_last(network) else last)


def _is_channels_last(network: nn.Module) -> bool:
    return getattr(network, "output_fmt", "NCHW") == "NHWC"


def logits_in_context(network: nn.Module, images: Tensor, margin: int) -> Tensor:
    """Computes logits of images without their margin from maps of the images with it, so that padding is far away.

    A classifier's last map before its pool, or the logits of a dense network, are cut to the image without its margin.
    The network pads the outer border of the margin as usual.

    Args:
        network: a timm classifier, or a dense network with logits (N, C, H, W).
        images: images with their margin, (N, 3, H, W).
        margin: pixels on each side, a multiple of the network's total stride.

    Returns:
        (N, classes), or (N, C, H - 2 margin, W - 2 margin).

    Raises:
        EvaluationError: the network has no such maps, or the margin is no multiple of its stride.
    """
    context = Context.of(images, margin)
    with local_means(network, context):
        if not hasattr(network, "forward_head"):
            logits = network(images)
            if logits.dim() != 4 or logits.shape[2:] != images.shape[2:]:
                raise EvaluationError("this network has no last map that a margin could be cut from; leave margin at 0")
            _check_stride(margin, getattr(network, "output_stride", 1))
            return without_margin(logits, margin)
        last = last_map(network, images)
        for length, positions in zip(context.sides, last.shape[2:], strict=True):
            _check_stride(margin, stride_of(length, positions))
        return logits_of(network, cut(last, context.inner(last)))


def _check_stride(margin: int, stride: int) -> None:
    if margin % stride:
        raise EvaluationError(f"a margin of {margin} pixels does not fit a network of stride {stride}; give a multiple")


@contextmanager
def local_means(network: nn.Module, context: Context) -> Iterator[None]:
    """Makes squeeze-and-excite modules, group norms and global pools measure only the map without its margin.

    Without it the larger image would change every channel's scale, also at the centre, which is no error of padding.
    """

    def gate(module: nn.Module, inputs: tuple, _: Tensor) -> Tensor:
        centre = cut(inputs[0], context.inner(inputs[0])).mean((2, 3), keepdim=True)
        # A map of two positions, mean +- 0.5, has this mean, and the module's two outputs differ by its gate.
        pair = module.forward(torch.cat([centre + 0.5, centre - 0.5], 3))
        return inputs[0] * (pair[..., :1] - pair[..., 1:])

    def group_norm(module: Any, inputs: tuple, output: Tensor) -> Tensor:
        if inputs[0].dim() != 4:
            return output
        maps = inputs[0].unflatten(1, (module.num_groups, -1))
        centre = cut(inputs[0], context.inner(inputs[0])).unflatten(1, (module.num_groups, -1))
        variance, mean = torch.var_mean(centre, (2, 3, 4), correction=0, keepdim=True)
        found = ((maps - mean) * (variance + module.eps).rsqrt()).flatten(1, 2)
        if module.affine:
            found = found * module.weight[:, None, None] + module.bias[:, None, None]
        # timm's group norms include their activation.
        return module.act(module.drop(found)) if hasattr(module, "act") else found

    def pool(_: nn.Module, inputs: tuple) -> Tensor:
        return cut(inputs[0], context.inner(inputs[0]))

    hooks = [each.register_forward_hook(gate) for each in network.modules() if type(each).__name__ in GATES]
    hooks += [each.register_forward_hook(group_norm) for each in network.modules() if isinstance(each, nn.GroupNorm)]
    hooks += [each.register_forward_pre_hook(pool) for each in network.modules() if type(each).__name__ in POOLS]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()
