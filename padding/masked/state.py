"""The state of a tensor: the part of each axis that holds the image. The rest is padding and is never read."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Extents = tuple[tuple[int, int], ...]
"""The valid interval [start, stop) of each image along one axis."""


class Valid:
    """Where a tensor that was computed from the images is valid.

    Attributes:
        axes: extents of each axis; None for an axis that every image fills, along which any function is right.
        batch: axis of the images. If no axis is cut, an image may take several positions of it (attention merges
            windows and heads with the batch). None if it is no longer known, which is allowed for one image only.
        cut: extents by axis, of the axes that some image does not fill, in order.
    """

    # Every tensor of a run gets an instance, so instances must be small.
    __slots__ = ("axes", "batch", "cut")

    def __init__(self, axes: tuple[Extents | None, ...], batch: int | None):
        self.axes, self.batch = axes, batch
        self.cut = {axis: extents for axis, extents in enumerate(axes) if extents is not None}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Valid) and (self.axes, self.batch) == (other.axes, other.batch)


def make_valid(shape: Sequence[int], axes: Iterable[Extents | None], batch: int | None) -> Valid:
    """Makes the state of a tensor of this shape; an axis that all images fill counts as not cut."""
    kept = tuple(
        None if extents is None or all(extent == (0, size) for extent in extents) else extents
        for size, extents in zip(shape, axes, strict=True)
    )
    return Valid(kept, batch)


def from_lengths(lengths: Iterable[int]) -> Extents:
    """Makes extents that begin at 0."""
    return tuple((0, length) for length in lengths)


def extents_of(tensor: Tensor, valid: Valid, axis: int, images: int) -> Extents:
    """The extents along one axis, cut or not."""
    return valid.axes[axis] or ((0, tensor.shape[axis]),) * images


def crop(tensor: Tensor, valid: Valid, image: int, images: int) -> Tensor:
    """A view of the part of the tensor that holds one image; it keeps the batch axis."""
    for axis, extents in valid.cut.items():
        start, stop = extents[image]
        tensor = tensor.narrow(axis, start, stop - start)
    if valid.batch is None:
        return tensor
    rows = tensor.shape[valid.batch] // images
    return tensor.narrow(valid.batch, image * rows, rows)


def paste(parts: Sequence[Tensor]) -> Tensor:
    """Concatenates tensors (1, *sizes) along axis 0, each padded with zeros at the end of every other axis."""
    shape = [max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True)]
    rooms = [[size - own for size, own in zip(shape, part.shape, strict=True)] for part in parts]
    pads = [[amount for room in reversed(each) for amount in (0, room)] for each in rooms]
    return torch.cat([F.pad(part, each) for part, each in zip(parts, pads, strict=True)])


def filled(tensor: Tensor, valid: Valid, value: float = 0.0, in_place: bool = False) -> Tensor:
    """Returns the tensor with `value` wherever it is not valid. Filled, not multiplied by 0, which would keep NaN."""
    if in_place and tensor.is_cpu and not tensor.requires_grad:
        # Two calls per image and axis instead of passes over the map. On other devices every call is a launch.
        for image in range(max(map(len, valid.cut.values()), default=0)):
            _fill_slices(tensor, valid, image, value)
        return tensor
    for axis, extents in valid.cut.items():
        positions = torch.arange(tensor.shape[axis], device=tensor.device)
        bounds = torch.tensor(extents, device=tensor.device)
        outside = (positions < bounds[:, :1]) | (positions >= bounds[:, 1:])
        outside = axis_vectors(outside, axis, tensor, valid.batch) > 0
        # masked_fill keeps integer dtypes.
        tensor = tensor.masked_fill_(outside, value) if in_place else tensor.masked_fill(outside, value)
    return tensor


def _fill_slices(tensor: Tensor, valid: Valid, image: int, value: float) -> None:
    assert valid.batch is not None  # where an axis is cut
    part = tensor.select(valid.batch, image)
    for axis, extents in valid.cut.items():
        here = axis - (axis > valid.batch)
        (start, stop), size = extents[image], part.shape[here]
        if stop < size:
            part.narrow(here, stop, size - stop).fill_(value)
        if start > 0:
            part.narrow(here, 0, start).fill_(value)
        part = part.narrow(here, start, stop - start)  # the rest is filled already


def axis_vectors(values: Sequence[Sequence[float]] | Tensor, axis: int, like: Tensor, batch: int | None) -> Tensor:
    """Shapes one vector per image to broadcast along `axis` of `like`; in at least float32."""
    assert batch is not None  # where an axis is cut
    dtype = torch.promote_types(like.dtype, torch.float32) if like.dtype.is_floating_point else torch.float32
    table = torch.as_tensor(values, dtype=dtype, device=like.device)
    shape = [1] * like.dim()
    shape[batch], shape[axis] = table.shape
    return table.reshape(shape) if batch < axis else table.t().reshape(shape)
