"""Overwriting what lies outside of the images. Filled, never multiplied: what stands there may be NaN."""

import torch
from torch import Tensor

from padding.masked.state import Valid, axis_vectors

# Slices cost two calls an image, masks a pass over the map and some ten calls an axis. So a few images, or large ones,
# are filled in slices; on other devices than CPUs every call is a launch.
_FEW_IMAGES = 16
_LARGE_IMAGE = 1 << 15


def filled(tensor: Tensor, valid: Valid, value: float = 0.0, in_place: bool = False) -> Tensor:
    """The tensor with `value` wherever it is not valid."""
    if not valid.cut:
        return tensor
    images = len(valid.axes[valid.cut[0]])
    few = images <= _FEW_IMAGES or tensor.numel() >= _LARGE_IMAGE * images
    if in_place and few and tensor.is_cpu and not tensor.requires_grad:
        for image in range(images):
            _fill_slices(tensor.select(valid.batch, image), valid, image, value)
        return tensor
    for axis in valid.cut:
        outside = ~_inside(tensor, valid, axis)
        # masked_fill keeps integers integers.
        tensor = tensor.masked_fill_(outside, value) if in_place else tensor.masked_fill(outside, value)
    return tensor


def _inside(tensor: Tensor, valid: Valid, axis: int) -> Tensor:
    """Whether a position of one axis is valid: bool, one vector an image, shaped to broadcast."""
    positions = torch.arange(tensor.shape[axis], device=tensor.device)
    bounds = torch.tensor(valid.axes[axis], device=tensor.device)
    inside = (positions >= bounds[:, :1]) & (positions < bounds[:, 1:])
    return axis_vectors(inside, axis, tensor, valid.batch) > 0


def _fill_slices(part: Tensor, valid: Valid, image: int, value: float) -> None:
    for axis in valid.cut:
        here = axis - (axis > valid.batch)
        (start, stop), size = valid.axes[axis][image], part.shape[here]
        if stop < size:
            part.narrow(here, stop, size - stop).fill_(value)
        if start > 0:
            part.narrow(here, 0, start).fill_(value)
        part = part.narrow(here, start, stop - start)  # the rest is filled already


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
