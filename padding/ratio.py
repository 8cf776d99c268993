"""The ratio of window area to valid area in closed form.

Partial Convolution based Padding, Liu et al. 2018, https://arxiv.org/abs/1811.11718, Eq. 5. The window and the input
are boxes, so the ratio is a product of one factor per axis: kernel size over the number of taps inside the input. So no
convolution of ones is needed, and a new size costs a few operations on vectors.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor

from padding.errors import PaddingError
from padding.geometry import Geometry, output_size, per_axis, static_pads, whole_windows


def valid_taps(
    size: int,
    outputs: int,
    kernel: int,
    stride: int,
    before: int,
    dilation: int,
    device: torch.device | str | None = None,
) -> Tensor:
    """The number of taps of each window along one axis that fall inside the input: int64 of shape (outputs,).

    Computed by arithmetic on tensors, so that sizes may be symbolic and a compiled graph serves every size.
    """
    start = torch.arange(outputs, device=device) * stride - before
    room = size - 1 - start
    if dilation > 1:
        # Positions become taps; the first tap inside is ceil(-start / dilation) = -floor(start / dilation).
        start = torch.div(start, dilation, rounding_mode="floor")
        room = torch.div(room, dilation, rounding_mode="floor")
    first = (-start).clamp(min=0)
    last = room.clamp(max=kernel - 1)
    return (last - first + 1).clamp(min=0)


def axis_ratio(taps: Tensor, kernel: int, dtype: torch.dtype) -> Tensor:
    """`kernel / taps`: the ratio, or the factor of one axis; 0 if no tap is inside (Eq. 1), without an epsilon."""
    return torch.where(taps > 0, kernel / taps.clamp(min=1).to(dtype), 0.0)


def axis_factors(
    sizes: Sequence[int],
    kernel_size: Sequence[int],
    geometry: Geometry,
    dtype: torch.dtype,
    device: torch.device,
    outputs: Sequence[int] | None = None,
) -> list[Tensor]:
    """The factors of the ratio of one geometry, one per axis.

    With `outputs`, sizes may be symbolic. Without it sizes must be ints, which saves a few tens of tensor operations.
    """
    stride, pads, dilation, *_ = geometry
    starts = [before for before, _ in pads]
    known = outputs is None
    if outputs is None:
        outputs = [max(0, each) for each in map(output_size, sizes, kernel_size, stride, pads, dilation)]
    axes = [*zip(sizes, outputs, kernel_size, stride, starts, dilation, strict=True)]
    if known:
        # Equal axes, as of a square map, share one factor. Plain Python divides: on small maps every torch call counts.
        found = {
            axis: torch.tensor([axis[2] / taps if taps else 0.0 for taps in _taps(*axis)], dtype=dtype, device=device)
            for axis in {*axes}
        }
        return [found[axis] for axis in axes]
    taps = [valid_taps(size, count, kernel, step, start, gap, device) for size, count, kernel, step, start, gap in axes]
    return [axis_ratio(counts, kernel, dtype) for counts, kernel in zip(taps, kernel_size, strict=True)]


def _taps(size: int, outputs: int, kernel: int, stride: int, before: int, dilation: int) -> list[int]:
    """`valid_taps` for ints: only windows that overhang a border are computed one by one."""

    def taps(output: int) -> int:
        start = output * stride - before
        first, last = max(0, -(start // dilation)), min((size - 1 - start) // dilation, kernel - 1)
        return max(0, last - first + 1)

    inside, beyond = whole_windows(size, outputs, dilation * (kernel - 1), stride, before)
    return [*map(taps, range(inside)), *[kernel] * (beyond - inside), *map(taps, range(beyond, outputs))]


@cache
def powered(
    exponents: tuple[float, ...], factors: Callable[..., list[Tensor]] = axis_factors
) -> Callable[..., list[Tensor]]:
    """Returns `factors` with each axis' factor raised to its exponent; 0 makes it 1, also for empty windows."""

    def raised(*call: Any) -> list[Tensor]:
        return [factor**exponent for factor, exponent in zip(factors(*call), exponents, strict=True)]

    return raised


def outer_product(factors: Sequence[Tensor]) -> Tensor:
    """The ratio map, as the outer product of one factor per axis."""
    product = factors[0]
    for factor in factors[1:]:
        product = product.unsqueeze(-1) * factor
    return product


def border_ratio(
    size: int | Sequence[int],
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence = 0,
    dilation: int | Sequence[int] = 1,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """The ratio r of Eq. 5 of Liu et al. 2018 (window area over valid area) at every output position.

    Args:
        size: input size in positions, one number per axis, outermost first; a single number means one axis.
        kernel_size, stride, dilation: as in torch's convolutions.
        padding: as in torch's convolutions (`'same'` and `'valid'` included), or a pair (before, after) per axis.
        dtype: dtype of the result. float32 suits half precision, too: bfloat16 would be off by up to 0.26 %.

    Returns:
        A tensor with one axis for each axis of `size`, as long as the convolution's output. At least 1, except for
        windows without any valid position, which get 0 (Eq. 1).

    Raises:
        PaddingError: the arguments differ in their number of axes, a size is not positive, or no window fits.

    >>> border_ratio((3, 3), kernel_size=3, padding=1)[0].tolist()
    [2.25, 1.5, 2.25]
    """
    sizes = tuple(size) if isinstance(size, Sequence) else (size,)
    axes = len(sizes)
    kernels = per_axis(kernel_size, axes, "kernel_size")
    strides = per_axis(stride, axes, "stride")
    dilations = per_axis(dilation, axes, "dilation")
    _check_positive(size=sizes, kernel_size=kernels, stride=strides, dilation=dilations)
    factors = []
    pads = static_pads(padding, kernels, dilations)
    for extent, kernel, step, pair, gap in zip(sizes, kernels, strides, pads, dilations, strict=True):
        outputs = output_size(extent, kernel, step, pair, gap)
        if outputs < 1:
            raise PaddingError(f"a window of {kernel} taps, {gap} apart, does not fit {extent} positions padded {pair}")
        taps = valid_taps(extent, outputs, kernel, step, pair[0], gap, device)
        factors.append(axis_ratio(taps, kernel, dtype))
    return outer_product(factors)


def _check_positive(**values: Sequence[int]) -> None:
    for name, numbers in values.items():
        if min(numbers) < 1:
            raise PaddingError(f"{name} must be positive, got {tuple(numbers)}")
