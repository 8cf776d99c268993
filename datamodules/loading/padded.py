"""Images of different sizes in one batch: each at the top left of a canvas, with its size beside it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch

from datamodules.loading.resumable import collate


class PaddedBatch(NamedTuple):
    """Images of different sizes, padded to one size. Lightning's transfer to the device keeps the type.

    images: (N, 3, H, W), each at the top left, 0 beyond it; uint8 from the workers, normalised floats on the device.
    targets: as in a batch of crops: classes (N,) or class maps (N, H, W), int64; in `predict`, the N paths.
    sizes: (N, 2) int64, height and width of each image.
    """

    images: torch.Tensor
    targets: torch.Tensor | list[str]
    sizes: torch.Tensor


def collate_padded(samples: list[tuple], fills: Mapping[int, int]) -> tuple:
    """A batch as a tuple: as `collate` makes it, with some columns padded to one size, and a last one of sizes.

    Args:
        samples: of the batch.
        fills: columns that hold tensors (..., H, W) of different sizes, and what stands beyond each of these. The
            tensors of one sample have the same height and width.

    Returns:
        The columns, and the sizes (N, 2) int64: height and width of each sample.
    """
    columns = [
        (pad(column, fills[number]),) if number in fills else collate([(value,) for value in column])
        for number, column in enumerate(zip(*samples, strict=True))
    ]
    first = min(fills)
    sizes = torch.tensor([sample[first].shape[-2:] for sample in samples])
    return (*(column for (column,) in columns), sizes)


def pad(tensors: Sequence[torch.Tensor], fill: int) -> torch.Tensor:
    """Tensors (..., h, w) as one (N, ..., H, W) of the greatest height and the greatest width, `fill` beyond each."""
    height, width = (max(tensor.shape[axis] for tensor in tensors) for axis in (-2, -1))
    canvas = tensors[0].new_full((len(tensors), *tensors[0].shape[:-2], height, width), fill)
    for place, tensor in zip(canvas, tensors, strict=True):
        place[..., : tensor.shape[-2], : tensor.shape[-1]] = tensor
    return canvas


def clear_beyond(images: torch.Tensor, sizes: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) with 0 beyond their sizes (N, 2)."""
    rows, columns = (torch.arange(length, device=images.device) for length in images.shape[-2:])
    inside = (rows[:, None] < sizes[:, :1, None]) & (columns < sizes[:, 1:, None])
    return images.where(inside[:, None], 0)
