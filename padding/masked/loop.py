"""Runs a network on images of different sizes one by one: the reference for `forward_masked`."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from padding.errors import PaddingError
from padding.masked.call import map_tensors, tensors_in
from padding.masked.state import paste


class Masked(NamedTuple):
    """The outputs of a network for images of different sizes, and where they are valid.

    >>> forward_singly(nn.Identity(), torch.ones(1, 1, 4, 4), [(4, 3)]).valid.tolist()
    [[[0, 4], [0, 3]]]

    Attributes:
        output: output of the network, in its nesting; 0 wherever a map is not valid.
        valid: the same nesting, with None for each tensor of at most two axes, and for each map an int64 tensor
            (N, A, 2) on the CPU: per image and spatial axis the valid interval [start, stop).
    """

    output: Any
    valid: Any


def forward_singly(model: nn.Module, images: Tensor, sizes: Tensor | Sequence) -> Masked:
    """Runs a network on each image alone; `forward_masked` under `fixed` gives the same.

    >>> conv, images = torch.nn.Conv2d(3, 4, 3), torch.ones(2, 3, 9, 9)
    >>> forward_singly(conv, images, [(9, 7), (5, 9)]).output.shape
    torch.Size([2, 4, 7, 7])

    Takes and returns what `forward_masked` does.

    Raises:
        PaddingError: the sizes do not fit the images, or the first axis of an output is not the images' axis.
    """
    lengths = checked_sizes(images, sizes)
    outputs = [model(images[(slice(n, n + 1), slice(None), *map(slice, own))]) for n, own in enumerate(lengths)]
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


def checked_sizes(images: Tensor, sizes: Tensor | Sequence) -> list[tuple[int, ...]]:
    """The size of each image: (height, width), (length,) of a signal, or (depth, height, width) of a volume.

    Raises:
        PaddingError: `images` is no batch of images, signals or volumes, or `sizes` does not fit it.
    """
    if not isinstance(images, Tensor) or images.dim() not in (3, 4, 5) or len(images) == 0:
        what = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise PaddingError(f"images must be (N, C, H, W), (N, C, L) or (N, C, D, H, W), at least one, these are {what}")
    canvas = tuple(images.shape[2:])
    named = {1: "the length", 2: "height and width", 3: "depth, height and width"}[len(canvas)]
    try:
        # Read as floats, so that 12.5 rows are refused below and not truncated.
        listed = [[float(own) for own in size] for size in (sizes.tolist() if isinstance(sizes, Tensor) else sizes)]
    except (TypeError, ValueError):
        listed = []
    if len(listed) != len(images) or any(len(size) != len(canvas) for size in listed):
        raise PaddingError(
            f"sizes must be (N, {len(canvas)}), {named} of each of the {len(images)} images, not {sizes!r}"
        )
    for number, size in enumerate(listed):
        if any(not own.is_integer() or not 1 <= own <= room for own, room in zip(size, canvas, strict=True)):
            raise PaddingError(
                f"image {number} is said to be {times(f'{own:g}' for own in size)}; {named} must be whole numbers from "
                f"1 to those of the canvas, {times(canvas)}"
            )
    return [tuple(map(int, size)) for size in listed]


def times(sizes: Iterable) -> str:
    """Writes sizes as text: 12 x 34."""
    return " x ".join(map(str, sizes))
