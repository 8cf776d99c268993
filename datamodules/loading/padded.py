"""Collates samples: stacks images of one size, or pads images of different sizes, each at the top left."""

from collections.abc import Sequence
from typing import NamedTuple

import torch


class PaddedBatch(NamedTuple):
    """Images of different sizes, padded to one size. Lightning's transfer to the device keeps the type.

    images: (N, 3, H, W), each at the top left, 0 beyond it; uint8 from the workers, normalised floats on the device.
    targets: as in a batch of crops: classes (N,) or class maps (N, H, W), int64; in `predict`, the N paths.
    sizes: (N, 2) int64, height and width of each image.
    """

    images: torch.Tensor
    targets: torch.Tensor | list[str]
    sizes: torch.Tensor


def collate(samples: list[tuple]) -> tuple:
    """Collates to a tuple: tensors are stacked, numbers become an int64 tensor, strings a list."""
    return tuple(_collate_column(column) for column in zip(*samples, strict=True))


def _collate_column(values: Sequence) -> torch.Tensor | list:
    return {torch.Tensor: torch.stack, int: torch.tensor}.get(type(values[0]), list)(values)


def collate_padded(samples: list[tuple], target_fill: int | None = None) -> PaddedBatch:
    """Pads samples (image, target), whose images (3, H, W) differ in size, to a batch.

    Args:
        samples: the samples of the batch.
        target_fill: value beyond a target (H, W); None if targets are numbers or strings.
    """
    images, targets = zip(*samples, strict=True)
    sizes = torch.tensor([image.shape[-2:] for image in images])
    return PaddedBatch(
        pad(images, 0), _collate_column(targets) if target_fill is None else pad(targets, target_fill), sizes
    )


def pad(tensors: Sequence[torch.Tensor], fill: int) -> torch.Tensor:
    """Pads tensors (..., h, w) with `fill` to one (N, ..., H, W), H and W the greatest height and width."""
    height, width = (max(tensor.shape[axis] for tensor in tensors) for axis in (-2, -1))
    # Stays uint8 until it is on the device: a float canvas would quadruple the transfer.
    canvas = tensors[0].new_full((len(tensors), *tensors[0].shape[:-2], height, width), fill)
    for place, tensor in zip(canvas, tensors, strict=True):
        place[..., : tensor.shape[-2], : tensor.shape[-1]] = tensor
    return canvas


def clear_beyond(images: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Sets images (N, C, H, W) to 0 beyond their sizes (N, 2)."""
    rows, columns = (torch.arange(length, device=images.device) for length in images.shape[-2:])
    inside = (rows[:, None] < sizes[:, :1, None]) & (columns < sizes[:, 1:, None])
    return images.where(inside[:, None], 0)
