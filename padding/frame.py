"""Partial padding's correction of a finished convolution, run eagerly: only where the ratio differs from 1, in place.

The convolution has added its bias already, so that no pass over the whole map is needed for it: where r = 1 nothing is
left to do, and elsewhere r * (y - b) + b is an interpolation from y towards b. The ratio is a product of one factor an
axis, and so is the correction: first the outer rows, then the outer columns.
"""

from collections import OrderedDict
from typing import NamedTuple

import torch
from torch import Tensor

from .geometry import Geometry
from .ratio import axis_ratio, outer_product, valid_taps

# Measured: below, one pass over the map is cheaper than the launches of several small operations; see docs/padding.md.
_STRIPS_ABOVE = {"cpu": 1 << 15}
_STRIPS_ABOVE_ELSEWHERE = 1 << 22


class Strip(NamedTuple):
    """Some outer rows along one axis, and their factor of the ratio, shaped to multiply them."""

    rows: tuple
    factor: Tensor
    gap: Tensor
    """1 - factor: the weight of the bias."""


class Frame:
    """The ratio of one geometry on one device. Built once, shared by all layers and calls of that geometry."""

    def __init__(self, factors: list[Tensor], device: torch.device):
        self.has_empty_windows = any(bool((factor == 0).any()) for factor in factors)
        self.strips = tuple(strip for axis in range(len(factors)) for strip in _axis_strips(factors, axis, device))
        self.is_thin = all(_is_thin(factor) for factor in factors)
        self.ratio = outer_product(factors).to(device)
        self.gap = 1 - self.ratio


def _is_thin(factor: Tensor) -> bool:
    return 4 * int((factor != 1).sum()) <= factor.numel()


def _axis_strips(factors: list[Tensor], axis: int, device: torch.device) -> list[Strip]:
    factor = factors[axis]
    below = len(factors) - 1 - axis
    shape = (-1,) + (1,) * below
    strips = []
    for part in _outer_slices(factor):
        values = factor[part].reshape(shape).to(device)
        rows = (Ellipsis, part) + (slice(None),) * below
        strips.append(Strip(rows, values, 1 - values))
    return strips


def _outer_slices(factor: Tensor) -> list[slice]:
    """Slices that cover the positions where the factor is not 1.

    A single row at both ends, the usual case, is one slice with a stride: one operation instead of two.
    """
    changed = (factor != 1).nonzero().flatten().tolist()
    if not changed:
        return []
    length = factor.numel()
    head = next((i for i in range(length) if factor[i] == 1), length)
    tail = next((i for i in range(length) if factor[length - 1 - i] == 1), length)
    if head + tail < len(changed) or head == length:
        return [slice(0, length)]  # a large dilation changes the middle too
    if head == tail == 1:
        return [slice(0, length, length - 1)]
    return [part for part in (slice(0, head), slice(length - tail, length)) if part.start < part.stop]


class _FrameCache:
    """The latest frames by geometry, device and precision: not in a state dict, not pickled, not copied.

    Sizes that change at every call would fill it for ever; the oldest goes first.
    """

    def __init__(self, capacity: int):
        self._frames: OrderedDict[tuple, Frame] = OrderedDict()
        self._capacity = capacity

    def get(self, key: tuple) -> Frame | None:
        return self._frames.get(key)

    def put(self, key: tuple, frame: Frame) -> None:
        self._frames[key] = frame
        while len(self._frames) > self._capacity:
            self._frames.popitem(last=False)


_CACHE = _FrameCache(capacity=256)


def find_frame(input: Tensor, weight: Tensor, geometry: Geometry) -> Frame | None:
    """The frame of this call; None where there can be none: complex numbers, or a first call in a CUDA graph."""
    if not weight.dtype.is_floating_point:
        return None
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    key = (input.shape[2:], weight.shape[2:], geometry, input.device, dtype)
    frame = _CACHE.get(key)
    if frame is None:
        if input.is_cuda and torch.cuda.is_current_stream_capturing():
            return None  # the copy to the device cannot be captured, and the graph's memory is not ours to keep
        frame = _build(input, weight, geometry, dtype)
        _CACHE.put(key, frame)
    return frame


def _build(input: Tensor, weight: Tensor, geometry: Geometry, dtype: torch.dtype) -> Frame:
    # A tensor made under inference_mode could not be used in a later training step.
    with torch.inference_mode(False), torch.no_grad():
        factors = []
        for axis, (stride, pads, dilation) in enumerate(
            zip(geometry.stride, geometry.pads, geometry.dilation, strict=True), start=2
        ):
            size, kernel = input.shape[axis], weight.shape[axis]
            outputs = max(0, (size + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1)
            taps = valid_taps(size, outputs, kernel, stride, pads[0], dilation, torch.device("cpu"))
            factors.append(axis_ratio(taps, kernel, dtype))
        return Frame(factors, input.device)


def reweight(output: Tensor, bias: Tensor | None, frame: Frame) -> Tensor:
    """r * (output - bias) + bias, written into `output`, which must be a convolution's result and nobody else's."""
    if not frame.strips:
        return output
    if output.requires_grad:
        return _Reweight.apply(output, bias, frame)
    _reweight_in_place(output, bias, frame)
    return output


def _by_strips(tensor: Tensor, frame: Frame) -> bool:
    threshold = _STRIPS_ABOVE.get(tensor.device.type, _STRIPS_ABOVE_ELSEWHERE)
    return frame.is_thin and tensor.numel() > threshold


def _reweight_in_place(output: Tensor, bias: Tensor | None, frame: Frame) -> None:
    if bias is not None:
        bias = bias.reshape((-1,) + (1,) * frame.ratio.dim())
    if not _by_strips(output, frame):
        _blend(output, bias, frame.ratio, frame.gap)
        return
    for rows, factor, gap in frame.strips:
        _blend(output[rows], bias, factor, gap)


def _blend(values: Tensor, bias: Tensor | None, factor: Tensor, gap: Tensor) -> None:
    if bias is None:
        values.mul_(factor)  # computed in the wider of both dtypes, stored in that of the values
    elif values.dtype == gap.dtype:
        values.lerp_(bias.to(gap.dtype), gap)
    else:
        values.copy_(torch.lerp(values.to(gap.dtype), bias.to(gap.dtype), gap))


class _Reweight(torch.autograd.Function):
    """`reweight` for training: left to autograd, every strip would cost a copy of the whole gradient."""

    @staticmethod
    def forward(ctx, output: Tensor, bias: Tensor | None, frame: Frame) -> Tensor:
        ctx.frame = frame
        ctx.bias_dtype = None if bias is None else bias.dtype
        ctx.mark_dirty(output)
        _reweight_in_place(output, bias, frame)
        return output

    @staticmethod
    def backward(ctx, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        needs_bias = ctx.needs_input_grad[1]
        if torch.is_grad_enabled():  # a graph of the backward pass is wanted
            gradient, for_bias = _differentiable_gradient(grad, ctx.frame, needs_bias)
        else:
            gradient, for_bias = _gradient(grad, ctx.frame, needs_bias)
        return gradient, for_bias.to(ctx.bias_dtype) if needs_bias else None, None


def _differentiable_gradient(grad: Tensor, frame: Frame, needs_bias: bool) -> tuple[Tensor, Tensor | None]:
    for_bias = _sum_to_channels(grad * frame.gap) if needs_bias else None
    return (grad * frame.ratio).to(grad.dtype), for_bias


def _gradient(grad: Tensor, frame: Frame, needs_bias: bool) -> tuple[Tensor, Tensor | None]:
    if not _by_strips(grad, frame):
        return _differentiable_gradient(grad, frame, needs_bias)
    gradient = grad.clone()  # not in place: another node may hold this gradient, and an expanded one has no room
    for_bias = 0.0
    for rows, factor, gap in reversed(frame.strips):
        strip = gradient[rows]
        if needs_bias:
            for_bias = for_bias + _sum_to_channels(strip * gap)
        strip.mul_(factor)
    return gradient, for_bias if needs_bias else None


def _sum_to_channels(values: Tensor) -> Tensor:
    return values.sum([axis for axis in range(values.dim()) if axis != 1])
