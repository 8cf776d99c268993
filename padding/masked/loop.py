"""A network on images of different sizes, one after the other: the reference for `forward_masked`."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from padding.errors import PaddingError
from padding.masked.call import map_tensors, tensors_in
from padding.masked.state import paste


class Masked(NamedTuple):
    """What a network gave for images of different sizes.

    >>> forward_singly(nn.Identity(), torch.ones(1, 1, 4, 4), [(4, 3)]).valid.tolist()
    [[[0, 4], [0, 3]]]

    Attributes:
        output: as the network returns it; 0 wherever a map is not valid.
        valid: the same nesting, for each tensor None (at most two axes: no map) or an int64 tensor (N, A, 2) on the
            CPU, for each image and spatial axis the first valid position and the one behind the last.
    """

    output: Any
    valid: Any


def forward_singly(model: nn.Module, images: Tensor, sizes: Tensor | Sequence) -> Masked:
    """Runs a network on each image alone; `forward_masked` under `fixed` gives the same.

    >>> conv, images = torch.nn.Conv2d(3, 4, 3), torch.ones(2, 3, 9, 9)
    >>> forward_singly(conv, images, [(9, 7), (5, 9)]).output.shape
    torch.Size([2, 4, 7, 7])

    Args and result as of `forward_masked`.

    Raises:
        PaddingError: sizes that do not fit the images; outputs whose first axis is not the images'.
    """
    lengths = checked_sizes(images, sizes)
    outputs = [model(images[n : n + 1, :, :height, :width]) for n, (height, width) in enumerate(lengths)]
    columns = list(zip(*map(tensors_in, outputs), strict=True))
    for first, *_ in columns:
        if first.dim() == 0 or len(first) != 1:
            raise PaddingError(
                f"the model gave {tuple(first.shape)} for one image; an output's first axis must be the images'"
            )
    pasted, rows = iter([paste(column) for column in columns]), iter([_rows(column) for column in columns])
    return Masked(map_tensors(outputs[0], lambda _: next(pasted)), map_tensors(outputs[0], lambda _: next(rows)))


def _rows(parts: Sequence[Tensor]) -> Tensor | None:
    return None if parts[0].dim() < 3 else torch.tensor([[(0, size) for size in part.shape[2:]] for part in parts])


def checked_sizes(images: Tensor, sizes: Tensor | Sequence) -> list[tuple[int, int]]:
    """Height and width of each image.

    Raises:
        PaddingError: `images` are no batch of images, or `sizes` do not fit it.
    """
    if not isinstance(images, Tensor) or images.dim() != 4 or len(images) == 0:
        what = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise PaddingError(f"images must be (N, C, H, W), at least one, these are {what}")
    try:
        # As floats, so that 12.5 rows are refused and not rounded.
        listed = [[float(own) for own in size] for size in (sizes.tolist() if isinstance(sizes, Tensor) else sizes)]
    except (TypeError, ValueError):
        listed = []
    if len(listed) != len(images) or any(len(size) != 2 for size in listed):
        raise PaddingError(f"sizes must be (N, 2), height and width of each of the {len(images)} images, not {sizes!r}")
    canvas = tuple(images.shape[2:])
    for number, size in enumerate(listed):
        if any(not own.is_integer() or not 1 <= own <= room for own, room in zip(size, canvas, strict=True)):
            raise PaddingError(
                f"image {number} is said to be {size[0]:g} x {size[1]:g}; height and width must be whole numbers from "
                f"1 to those of the canvas, {canvas[0]} x {canvas[1]}"
            )
    return [(int(height), int(width)) for height, width in listed]
