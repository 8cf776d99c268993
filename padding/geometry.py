"""Computes where a convolution's windows lie: strides, dilations, and the pads before and after each axis."""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, NamedTuple

import torch

from padding.errors import PaddingError

SAME_DYNAMIC: Final = "same_dynamic"
"""TensorFlow's SAME: the pads depend on the input's size, so they are known only at the call."""

Pads = tuple[tuple[int, int], ...]
"""The number of positions added (before, after) each axis, outermost axis first."""

AnyPads = Pads | Literal["same_dynamic"]
"""Pads, or SAME_DYNAMIC for pads that are known only at the call."""


class Geometry(NamedTuple):
    """The positions of the windows of one call on its input.

    `symmetric`: whether each axis gets as much padding before as after. It is decided when the layer's padding is read,
    because comparing symbolic pads would tie a compiled graph to one size.

    >>> resolve(((1, 1), (1, 1)), (8, 8), (3, 3), (2, 2), (1, 1), 1).symmetric
    True
    """

    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int
    symmetric: bool


class SettledGeometry(Geometry):
    """The geometry of an eager call, which its layer keeps for the next input of the same size.

    A scheme may set `again(input, weight, bias) -> output`, a faster function for this layer's calls with the same
    shapes, dtype and device; see `reweighted`.
    """

    again: Callable[..., Any] | None = None


def per_axis(value: int | Sequence, axes: int, what: str) -> tuple:
    """A value for each of `axes` axes, of which torch takes one number, a sequence of one, or one per axis.

    Raises PaddingError for a sequence of another length.
    """
    values = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    if len(values) not in (1, axes):
        raise PaddingError(f"{what} has {len(values)} values for {axes} axes: {value}")
    return values if len(values) == axes else values * axes


def static_pads(padding: int | str | Sequence, kernel_size: Sequence[int], dilation: Sequence[int]) -> Pads:
    """The pads of a convolution's `padding`: a number, one per axis, `'valid'`, `'same'`, or (before, after) pairs."""
    axes = len(kernel_size)
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        totals = [step * (kernel - 1) for kernel, step in zip(kernel_size, dilation, strict=True)]
        # As in torch: an odd total puts the larger half after the map.
        return tuple((total // 2, total - total // 2) for total in totals)
    if isinstance(padding, str):
        raise PaddingError(f"padding must be numbers, 'same' or 'valid', got {padding!r}")
    return tuple(_pair(amount) for amount in per_axis(padding, axes, "padding"))


def _pair(amount: int | Sequence[Any]) -> tuple[int, int]:
    return tuple(amount) if isinstance(amount, Sequence) else (amount, amount)


def dynamic_pads(
    sizes: Sequence[int], kernel_size: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pads:
    """The pads of TensorFlow's SAME: ceil(size / stride) outputs; an odd total puts the larger half after the map."""
    return tuple(map(_dynamic_pair, sizes, kernel_size, stride, dilation))


def _dynamic_pair(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    outputs = (size + stride - 1) // stride
    total = (outputs - 1) * stride + (kernel - 1) * dilation + 1 - size
    # torch.jit.trace passes sizes as tensors, and max() on them would freeze the traced size into the graph.
    total = total.clamp(min=0) if isinstance(total, torch.Tensor) else max(total, 0)
    return total // 2, total - total // 2


def resolve(
    padding: AnyPads,
    sizes: Sequence[int],
    kernel_size: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Geometry:
    """The geometry of a call on an input of spatial sizes `sizes`."""
    if padding == SAME_DYNAMIC:
        pads = dynamic_pads(sizes, kernel_size, stride, dilation)
        return Geometry(tuple(stride), pads, tuple(dilation), groups, symmetric=False)
    pads = tuple((before, after) for before, after in padding)
    symmetric = all(before == after for before, after in pads)
    return Geometry(tuple(stride), pads, tuple(dilation), groups, symmetric)


def output_size(size: int, kernel: int, stride: int, pads: tuple[int, int], dilation: int) -> int:
    """The number of windows that fit along one axis."""
    return (size + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1


def whole_windows(size: int, outputs: int, reach: int, stride: int, before: int) -> tuple[int, int]:
    """The range (start, stop) of the windows along one axis that lie inside the map as a whole.

    `reach` is the distance in positions from a window's first tap to its last.

    >>> whole_windows(size=6, outputs=6, reach=2, stride=1, before=1)
    (1, 5)
    """
    inside = min(-(-before // stride), outputs)
    return inside, min(max((size - reach - 1 + before) // stride + 1, inside), outputs)


def pad_argument(pads: Pads) -> list[int]:
    """The pads in the order of `torch.nn.functional.pad`: last axis first."""
    return [amount for pair in reversed(pads) for amount in pair]
