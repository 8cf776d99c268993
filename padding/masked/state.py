"""What is known of a tensor: on which part of each axis it holds an image, and on which nothing that may be read."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Extents = tuple[tuple[int, int], ...]
"""Along one axis, for each image: the first valid position, and the one behind the last."""


class Valid:
    """Where a tensor that was computed from the images is valid.

    An axis on which every image fills the tensor is not cut: nothing that is done along it can read a wrong value.

    Attributes:
        axes: one entry an axis; None where the axis is not cut.
        batch: the axis of the images, one behind the other; where no axis is cut each may take several positions of it
            (windows and heads are often merged with the batch). None where it is not known any more, as may be for a
            batch of one image only.
        cut: the axes that are cut.
    """

    __slots__ = ("axes", "batch", "cut")

    def __init__(self, axes: tuple[Extents | None, ...], batch: int | None):
        self.axes, self.batch = axes, batch
        self.cut = tuple(axis for axis, extents in enumerate(axes) if extents is not None)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Valid) and (self.axes, self.batch) == (other.axes, other.batch)


def make_valid(shape: Sequence[int], axes: Iterable[Extents | None], batch: int | None) -> Valid:
    """The state of a tensor of this shape; an axis that all images fill is not cut."""
    kept = tuple(
        None if extents is None or all(extent == (0, size) for extent in extents) else extents
        for size, extents in zip(shape, axes, strict=True)
    )
    return Valid(kept, batch)


def inherited(output: Tensor, input: Tensor, state: Valid) -> Valid:
    """The state of a tensor with the axes of another one, not all of which need be as long."""
    if all(output.shape[axis] == input.shape[axis] for axis in state.cut):
        return state
    return make_valid(output.shape, state.axes, state.batch)


def whole(tensor: Tensor, batch: int | None = None) -> Valid:
    """The state of a tensor that is valid everywhere."""
    return Valid((None,) * tensor.dim(), batch)


def from_lengths(lengths: Iterable[int]) -> Extents:
    """Extents that begin at 0."""
    return tuple((0, length) for length in lengths)


def extents_of(tensor: Tensor, valid: Valid, axis: int, images: int) -> Extents:
    """The extents along one axis, cut or not."""
    return valid.axes[axis] or ((0, tensor.shape[axis]),) * images


def crop(tensor: Tensor, valid: Valid, image: int, images: int) -> Tensor:
    """The part of the tensor that holds one image, its batch axis kept: a view."""
    for axis in valid.cut:
        start, stop = valid.axes[axis][image]
        tensor = tensor.narrow(axis, start, stop - start)
    if valid.batch is None:
        return tensor
    rows = tensor.shape[valid.batch] // images
    return tensor.narrow(valid.batch, image * rows, rows)


def paste(parts: Sequence[Tensor]) -> Tensor:
    """Tensors (1, *sizes) one behind the other along axis 0, each at the beginning of every other axis, 0 elsewhere."""
    shape = [max(sizes) for sizes in zip(*(part.shape for part in parts), strict=True)]
    return torch.cat([_padded(part, shape) for part in parts])


def _padded(part: Tensor, shape: Sequence[int]) -> Tensor:
    room = [(0, size - own) for size, own in zip(shape, part.shape, strict=True)]
    return F.pad(part, [amount for pair in reversed(room) for amount in pair])


def axis_vectors(values: Sequence[Sequence[float]] | Tensor, axis: int, like: Tensor, batch: int) -> Tensor:
    """One vector an image, shaped to broadcast along `axis` of `like`; in at least float32."""
    dtype = torch.promote_types(like.dtype, torch.float32) if like.dtype.is_floating_point else torch.float32
    table = torch.as_tensor(values, dtype=dtype, device=like.device)
    shape = [1] * like.dim()
    shape[batch], shape[axis] = table.shape
    return table.reshape(shape) if batch < axis else table.t().reshape(shape)
