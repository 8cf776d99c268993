"""Overwriting what lies outside of the images. Filled, never multiplied: what stands there may be NaN."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from padding.masked.state import Valid, axis_vectors

# Slices cost two calls an image, masks a pass over the map and some ten calls an axis. So a few images, or large ones,
# are filled in slices; on other devices than CPUs every call is a launch.
_FEW_IMAGES = 16
_LARGE_IMAGE = 1 << 15


_GRADIENTS: ContextVar[bool] = ContextVar("gradients", default=False)


@contextmanager
def gradients(wanted: bool) -> Iterator[None]:
    """Whether a run is recorded for gradients: then nothing it made is written to, not even where it pauses that."""
    token = _GRADIENTS.set(wanted)
    try:
        yield
    finally:
        _GRADIENTS.reset(token)


def filled(tensor: Tensor, valid: Valid, value: float = 0.0, in_place: bool = False) -> Tensor:
    """The tensor with `value` wherever it is not valid.

    Without gradients, or if asked to, this writes into the tensor itself. That is nobody's loss: whoever reads it later
    may not read those positions either, and the mode owns every cut tensor, since the caller's images were copied.
    """
    if (torch.is_grad_enabled() or _GRADIENTS.get()) and not in_place:
        return _selected(tensor, valid, value)
    if tensor.is_cpu and not tensor.requires_grad and _prefers_slices(tensor, valid):
        _fill_slices(tensor, valid, value)
    else:
        for axis in valid.cut:
            tensor.masked_fill_(~_inside(tensor, valid, axis), value)
    return tensor


def _prefers_slices(tensor: Tensor, valid: Valid) -> bool:
    return valid.images <= _FEW_IMAGES or tensor.numel() >= _LARGE_IMAGE * valid.images


def _selected(tensor: Tensor, valid: Valid, value: float) -> Tensor:
    for axis in valid.cut:
        tensor = tensor.masked_fill(~_inside(tensor, valid, axis), value)  # which keeps integers integers
    return tensor


def lowest(dtype: torch.dtype) -> float:
    """What no maximum chooses."""
    if dtype.is_floating_point:
        return float("-inf")
    return False if dtype == torch.bool else torch.iinfo(dtype).min


def highest(dtype: torch.dtype) -> float:
    """What no minimum chooses."""
    if dtype.is_floating_point:
        return float("inf")
    return True if dtype == torch.bool else torch.iinfo(dtype).max


def _inside(tensor: Tensor, valid: Valid, axis: int) -> Tensor:
    """Whether a position of one axis is valid: bool, one vector an image, shaped to broadcast."""
    positions = torch.arange(tensor.shape[axis], device=tensor.device)
    bounds = torch.tensor(valid.axes[axis], device=tensor.device)
    inside = (positions >= bounds[:, :1]) & (positions < bounds[:, 1:])
    return axis_vectors(inside, axis, tensor, valid.batch) > 0


def _fill_slices(tensor: Tensor, valid: Valid, value: float) -> None:
    for image in range(valid.images):
        part = tensor.select(valid.batch, image)
        for axis in valid.cut:
            here = axis - (axis > valid.batch)
            start, stop = valid.axes[axis][image]
            size = part.shape[here]
            if stop < size:
                part.narrow(here, stop, size - stop).fill_(value)
            if start > 0:
                part.narrow(here, 0, start).fill_(value)
            # The next axis need not go over what is filled already.
            part = part.narrow(here, start, stop - start)
