"""Corrects a finished convolution for partial padding: eagerly, in place, and only where the ratio differs from 1.

The convolution y includes its bias b, which saves a pass over the whole map to add it: where the ratio r is 1 nothing
is left to do, and elsewhere r * (y - b) + b is an interpolation from y towards b. The ratio is a product of one factor
per axis, so the correction goes axis by axis: first the outer rows, then the outer columns.

On a small map one pass over the whole map costs less than a call for each row and column, on a large map more. A row
has one factor, so it is scaled by a number: broadcasting two factors over strided columns was up to eight times slower.
If a pass over the whole map interpolates to a bias, an infinite y becomes NaN (0 * inf); avoiding it costs 25 % more.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from padding.ratio import outer_product

# Rows and columns are corrected one by one if the map has more than this many elements per row or column to correct.
# Measured on one CPU core (docs/padding.md); for other devices a guess from launch cost and bandwidth.
_PASS_UP_TO = {"cpu": 1 << 18}
_PASS_UP_TO_STRIDED = {"cpu": 1 << 15}
_PASS_UP_TO_ELSEWHERE = 1 << 22
_PASS_ANYWAY = 1 << 15
"""The smallest limit, compared first: on the smallest maps every further comparison shows in the time."""


class Row(NamedTuple):
    """A position along one axis at which the factor of the ratio is not 1; the last axis is -1."""

    axis: int
    position: int
    factor: float


class Frame:
    """The ratio of one geometry on one device, built once and shared by all layers and calls of that geometry."""

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
        """Maps each axis but the last to the ratio along the axes after it, which are corrected later."""
        self.nbytes = self.ratio.nbytes + self.gap.nbytes


class _FrameCache:
    """A cache of frames by geometry, device and precision, outside of state dicts, pickles and copies of a model.

    Above its capacity in bytes it drops the oldest frames; otherwise sizes that change at every call would fill memory.
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
        # The newest frame stays, however large, because its caller is about to use it.
        while self._bytes > self._capacity and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= oldest.nbytes

    def clear(self) -> None:
        self._frames.clear()
        self._bytes = 0


# 128 MiB; the frame of a 1024x2048 map takes 17 MB.
_CACHE = _FrameCache(capacity_bytes=1 << 27)

_CAPTURED: set[Frame] = set()
"""Frames that a CUDA graph reads; they must stay in memory even after the cache drops them."""


def find_frame(
    input: Tensor, weight: Tensor, geometry: NamedTuple, axis_factors: Callable[..., list[Tensor]]
) -> Frame | None:
    """Finds the frame of a call, or builds it; None for complex weights, and if a CUDA graph records a new geometry.

    `axis_factors(sizes, kernel_size, geometry, dtype, device)` computes the ratio's factors for a new frame.
    """
    if not weight.dtype.is_floating_point:
        return None
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    call = (input.shape[2:], weight.shape[2:], geometry)
    key = (*call, axis_factors, weight.device, dtype)
    frame = _CACHE.get(key)
    if frame is None:
        if is_captured(weight):
            return None  # the copy to the device cannot be captured, and a cached frame must not lie in graph memory
        with torch.inference_mode(False):  # an inference tensor could not be used in a later training step
            frame = Frame(axis_factors(*call, dtype, torch.device("cpu")), weight.device)
        _CACHE.put(key, frame)
    if is_captured(weight):
        _CAPTURED.add(frame)
    return frame


def is_captured(weight: Tensor) -> bool:
    """Whether a CUDA graph records this call; its replays will read the same memory again."""
    return weight.is_cuda and torch.cuda.is_current_stream_capturing()


def forget_ratios() -> None:
    """Empties the cache of frames, so that benchmarks can measure the first call of a geometry."""
    _CACHE.clear()


def reweight(output: Tensor, bias: Tensor | None, frame: Frame) -> Tensor:
    """Computes r * (output - bias) + bias in place; `output` is a convolution's result that nothing else refers to."""
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
        # Half precision needs conversions and channels-last has contiguous columns, so rows win sooner.
        limit = _PASS_UP_TO_STRIDED.get(device, limit)
    return output.numel() > limit * len(frame.rows)


def is_small(output: Tensor, frame: Frame) -> bool:
    """Whether one pass over the whole map is fastest, for every dtype and layout."""
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
        output.mul_(frame.ratio)  # computed in the wider of the two dtypes, stored in the dtype of the output
    elif output.dtype == frame.gap.dtype:
        output.lerp_(bias if bias.dtype == output.dtype else bias.to(output.dtype), frame.gap)
    else:
        output.copy_(torch.lerp(output.to(frame.gap.dtype), bias.to(frame.gap.dtype), frame.gap))


class _Reweight(torch.autograd.Function):
    """`reweight` for training with its own backward: autograd would copy the whole gradient for every row."""

    @staticmethod
    def forward(ctx: Any, output: Tensor, bias: Tensor | None, frame: Frame) -> Tensor:
        ctx.frame = frame
        ctx.bias_dtype = None if bias is None else bias.dtype
        # Safe to overwrite: the convolution's backward pass reads only its input and weight.
        ctx.mark_dirty(output)
        _reweight_in_place(output, bias, frame)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None, None]:
        for_bias = _bias_gradient(grad, ctx.frame).to(ctx.bias_dtype) if ctx.needs_input_grad[1] else None
        return _scaled(grad, ctx.frame), for_bias, None


def _scaled(grad: Tensor, frame: Frame) -> Tensor:
    """Returns r * grad as a new tensor: other nodes may use `grad`, and an expanded `grad` cannot be written to."""
    # With equal dtypes the product is one pass; half precision would need a float32 copy of the map.
    if grad.dtype == frame.ratio.dtype or torch.is_grad_enabled() or not _row_by_row(grad, frame):
        return (grad * frame.ratio).to(grad.dtype)
    gradient = grad.clone()
    _blend_rows(gradient, None, frame)
    return gradient


def _bias_gradient(grad: Tensor, frame: Frame) -> Tensor:
    """The sum of (1 - r) * grad per channel, which the convolution's own bias gradient, from r * grad, lacks.

    As 1 - r_h * r_w = (1 - r_h) * r_w + (1 - r_w), only rows and columns with a factor other than 1 are read.
    """
    total: Any = 0.0
    for axis, position, factor in frame.rows:
        row = grad.select(axis, position)
        weighted = row * frame.inner[axis] if axis in frame.inner else row.to(frame.ratio.dtype)
        total = total + (1 - factor) * weighted.sum([each for each in range(row.dim()) if each != 1])
    return total
