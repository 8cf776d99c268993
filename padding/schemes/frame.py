"""The ratio of one geometry, prepared for use in eager runs and kept for later calls."""

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from padding.ratio import outer_product


class Row(NamedTuple):
    """One position of one axis (counted from the last, -1) where the factor of the ratio is not 1."""

    axis: int
    position: int
    factor: float
    inner_ratio: Tensor | None
    """The ratio along the axes inside this one, which the correction reaches later; None for the last axis."""


class Frame:
    """The ratio of one geometry on one device. Built once, shared by all layers and calls of that geometry."""

    def __init__(self, factors: list[Tensor], device: torch.device):
        self.has_empty_windows = any(bool((factor == 0).any()) for factor in factors)
        self.rows = tuple(row for axis in range(len(factors)) for row in _rows(factors, axis, device))
        self.ratio = outer_product(factors).to(device)
        self.gap = 1 - self.ratio
        self.nbytes = self.ratio.nbytes + self.gap.nbytes


def _rows(factors: list[Tensor], axis: int, device: torch.device) -> list[Row]:
    inner = factors[axis + 1 :]
    inner_ratio = outer_product(inner).to(device) if inner else None
    values = factors[axis].tolist()
    return [Row(axis - len(factors), at, value, inner_ratio) for at, value in enumerate(values) if value != 1]


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
        while self._bytes > self._capacity and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= oldest.nbytes

    def clear(self) -> None:
        self._frames.clear()
        self._bytes = 0


_CACHE = _FrameCache(capacity_bytes=1 << 27)


def find_frame(
    input: Tensor, weight: Tensor, geometry: NamedTuple, axis_factors: Callable[..., list[Tensor]]
) -> Frame | None:
    """The frame of this call; None where there can be none: complex numbers, or a first call in a CUDA graph.

    `axis_factors(sizes, kernel_size, geometry, dtype, device)` gives the ratio's factors where they are not kept yet.
    """
    if not weight.dtype.is_floating_point:
        return None
    return frame_of_size(input.shape[2:], weight, geometry, axis_factors)


def frame_of_size(
    sizes: torch.Size | tuple[int, ...],
    weight: Tensor,
    geometry: NamedTuple,
    axis_factors: Callable[..., list[Tensor]],
) -> Frame | None:
    """The frame for an input of these spatial sizes, on the weight's device; None in a CUDA graph that lacks it."""
    dtype = torch.float64 if weight.dtype == torch.float64 else torch.float32
    key = (sizes, weight.shape[2:], geometry, axis_factors, weight.device, dtype)
    frame = _CACHE.get(key)
    if frame is None:
        if weight.is_cuda and torch.cuda.is_current_stream_capturing():
            return None  # the copy to the device cannot be captured, and the graph's memory is not ours to keep
        # A tensor made under inference_mode could not be used in a later training step.
        with torch.inference_mode(False), torch.no_grad():
            factors = axis_factors(sizes, weight.shape[2:], geometry, dtype, torch.device("cpu"))
            frame = Frame(factors, weight.device)
        _CACHE.put(key, frame)
    return frame


def forget_ratios() -> None:
    """Empties the cache, so that the next call of any geometry is a first one: for measuring what that costs."""
    _CACHE.clear()
