"""Partial padding's correction of a finished convolution, run eagerly: only where the ratio differs from 1, in place.

The convolution has added its bias already, so that no pass over the whole map is needed for it: where r = 1 nothing is
left to do, and elsewhere r * (y - b) + b is an interpolation from y towards b. The ratio is a product of one factor an
axis, and so is the correction: first the outer rows, then the outer columns.

On a small map one pass over all of it costs less than the calls for its rows and columns, on a large one more. A row
has one factor, so it is scaled by a number: broadcasting two factors over strided columns was up to eight times slower.
Where such a pass interpolates to a bias, an infinite y becomes NaN (0 * inf); other ways cost a quarter more.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from padding.ratio import outer_product

# Elements of a map for each row or column that differs, above which rows and columns are corrected one by one; measured
# on one CPU core (docs/padding.md). On other devices a guess from launch cost and bandwidth.
_PASS_UP_TO = {"cpu": 1 << 18}
_PASS_UP_TO_STRIDED = {"cpu": 1 << 15}
_PASS_UP_TO_ELSEWHERE = 1 << 22
_PASS_ANYWAY = 1 << 15
"""The least of them, asked first: on the smallest maps every question counts."""


class Row(NamedTuple):
    """One position of one axis (counted from the last, -1) where the factor of the ratio is not 1."""

    axis: int
    position: int
    factor: float


class Frame:
    """The ratio of one geometry on one device. Built once, shared by all layers and calls of that geometry."""

    def __init__(self, factors: list[Tensor], device: torch.device):
        self.rows = tuple(
            Row(axis - len(factors), at, value)
            for axis, factor in enumerate(factors)
            for at, value in enumerate(factor.tolist())
            if value != 1
        )
        self.has_empty_windows = any(row.factor == 0 for row in self.rows)
        self.ratio = outer_product(factors).to(device)
        self.gap = 1 - self.ratio
        self.inner = {at - len(factors): outer_product(factors[at + 1 :]).to(device) for at in range(len(factors) - 1)}
        """For each axis but the last the ratio along the axes inside it, which the correction reaches later."""
        self.nbytes = self.ratio.nbytes + self.gap.nbytes


class _FrameCache:
    """Frames by geometry, device and precision: in no state dict, no pickle and no copy of a model.

    Sizes that change at every call would fill it for ever, so the oldest go when there are too many bytes.
    """

    def __init__(self, capacity_bytes: int):
        self._frames: OrderedDict[tuple, Frame] = OrderedDict()
        self._bytes = 0
        self._capacity = capacity_bytes

    def get(self, key: tuple) -> Frame | None:
        return self._frames.get(key)

    def put(self, key: tuple, frame: Frame) -> None:
        self._frames[key] = frame
        self._bytes += frame.nbytes
        # The newest stays, however large: its caller is about to use it.
        while self._bytes > self._capacity and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= oldest.nbytes

    def clear(self) -> None:
        self._frames.clear()
        self._bytes = 0


# 128 MiB; the frame of a map of 1024x2048 takes 17 MB.
_CACHE = _FrameCache(capacity_bytes=1 << 27)

_CAPTURED: set[Frame] = set()
"""Frames that a CUDA graph reads: the cache may forget them, the graph cannot."""


def find_frame(
    input: Tensor, weight: Tensor, geometry: NamedTuple, axis_factors: Callable[..., list[Tensor]]
) -> Frame | None:
    """The frame of this call; None for complex numbers, and for a first call in a CUDA graph.

    `axis_factors(sizes, kernel_size, geometry, dtype, device)` computes the ratio's factors of a frame not cached yet.
    """
    if not weight.dtype.is_floating_point:
        return None
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    call = (input.shape[2:], weight.shape[2:], geometry)
    key = (*call, axis_factors, weight.device, dtype)
    frame = _CACHE.get(key)
    if frame is None:
        if is_captured(weight):
            return None  # the copy to the device cannot be captured, and the graph's memory is not ours to keep
        with torch.inference_mode(False):  # a tensor made in that mode could not be used in a later training step
            frame = Frame(axis_factors(*call, dtype, torch.device("cpu")), weight.device)
        _CACHE.put(key, frame)
    if is_captured(weight):
        _CAPTURED.add(frame)
    return frame


def is_captured(weight: Tensor) -> bool:
    """Whether this call is being recorded into a CUDA graph, whose replays read the same memory again."""
    return weight.is_cuda and torch.cuda.is_current_stream_capturing()


def forget_ratios() -> None:
    """Empties the cache, so that the next call of any geometry is a first one: for measuring what that costs."""
    _CACHE.clear()


def reweight(output: Tensor, bias: Tensor | None, frame: Frame) -> Tensor:
    """r * (output - bias) + bias, written into `output`, a convolution's result that nothing else holds."""
    if not frame.rows:
        return output
    if output.requires_grad:
        return _Reweight.apply(output, bias, frame)
    _reweight_in_place(output, bias, frame)
    return output


def _reweight_in_place(output: Tensor, bias: Tensor | None, frame: Frame) -> None:
    if bias is not None:
        bias = bias.reshape((-1,) + (1,) * frame.ratio.dim())
    if _row_by_row(output, frame):
        _blend_rows(output, bias, frame)
    else:
        _blend(output, bias, frame)


def _row_by_row(output: Tensor, frame: Frame) -> bool:
    if is_small(output, frame):
        return False
    device = output.device.type
    limit = _PASS_UP_TO.get(device, _PASS_UP_TO_ELSEWHERE)
    if output.dtype != frame.ratio.dtype or not output.is_contiguous():
        # Half precision converts on the way, channels-last has its columns in one piece: rows win earlier.
        limit = _PASS_UP_TO_STRIDED.get(device, limit)
    return output.numel() > limit * len(frame.rows)


def is_small(output: Tensor, frame: Frame) -> bool:
    """Whether one pass over the whole map is the fastest way, whatever its dtype and layout."""
    return output.numel() <= _PASS_ANYWAY * len(frame.rows)


def _blend_rows(output: Tensor, bias: Tensor | None, frame: Frame) -> None:
    if bias is not None:
        bias = bias.squeeze(-1).to(output.dtype)
    for axis, position, factor in frame.rows:
        row = output.select(axis, position)
        if bias is None:
            row.mul_(factor)
        else:
            row.lerp_(bias, 1 - factor)


def _blend(output: Tensor, bias: Tensor | None, frame: Frame) -> None:
    if bias is None:
        output.mul_(frame.ratio)  # computed in the wider of both dtypes, stored in the output's
    elif output.dtype == frame.gap.dtype:
        output.lerp_(bias if bias.dtype == output.dtype else bias.to(output.dtype), frame.gap)
    else:
        output.copy_(torch.lerp(output.to(frame.gap.dtype), bias.to(frame.gap.dtype), frame.gap))


class _Reweight(torch.autograd.Function):
    """`reweight` for training: left to autograd, every row would cost a copy of the whole gradient."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, bias: Tensor | None, frame: Frame) -> Tensor:
        ctx.frame = frame
        ctx.bias_dtype = None if bias is None else bias.dtype
        # The convolution's output is overwritten; its backward pass reads input and weight alone.
        ctx.mark_dirty(output)
        _reweight_in_place(output, bias, frame)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        for_bias = _bias_gradient(grad, ctx.frame).to(ctx.bias_dtype) if ctx.needs_input_grad[1] else None
        return _scaled(grad, ctx.frame), for_bias, None


def _scaled(grad: Tensor, frame: Frame) -> Tensor:
    """r * grad in a new tensor: another node may hold this gradient, and an expanded one has no room of its own."""
    # In one precision a product is one pass; half precision would go through a float32 copy of the map.
    if grad.dtype == frame.ratio.dtype or torch.is_grad_enabled() or not _row_by_row(grad, frame):
        return (grad * frame.ratio).to(grad.dtype)
    gradient = grad.clone()
    _blend_rows(gradient, None, frame)
    return gradient


def _bias_gradient(grad: Tensor, frame: Frame) -> Tensor:
    """The sum of (1 - r) * grad for each channel: what the convolution's own bias gradient, of r * grad, lacks.

    1 - r_h * r_w = (1 - r_h) * r_w + (1 - r_w): only rows and columns that differ are read.
    """
    total: Any = 0.0
    for axis, position, factor in frame.rows:
        row = grad.select(axis, position)
        weighted = row * frame.inner[axis] if axis in frame.inner else row.to(frame.ratio.dtype)
        total = total + (1 - factor) * weighted.sum([each for each in range(row.dim()) if each != 1])
    return total
