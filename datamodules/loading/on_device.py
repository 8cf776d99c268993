"""Normalises uint8 batches on the device: a quarter of the transfer of float32, and no float work in the workers."""

from collections.abc import Sequence
from functools import cache

import pytorch_lightning as pl
import torch

from datamodules.errors import checked
from datamodules.loading.padded import PaddedBatch, clear_beyond


def batch_on_device(
    batch: tuple | PaddedBatch, mean: Sequence[float], std: Sequence[float], trainer: pl.Trainer | None
) -> tuple | PaddedBatch:
    """Processes a batch after its transfer: normalises images in the Trainer's precision, makes targets int64.

    Paths stay as they are. Class maps are transferred as bytes, an eighth of int64.
    """
    images, targets = batch[:2]
    if images.dtype == torch.uint8:
        images = normalise(images, mean, std)
        if isinstance(batch, PaddedBatch):
            images = clear_beyond(images, batch.sizes)
        # Lightning converts float inputs to the Trainer's precision before this hook, when images are still uint8.
        images = images if trainer is None else trainer.precision_plugin.convert_input(images)
    targets = targets.long() if isinstance(targets, torch.Tensor) else targets
    return batch._replace(images=images, targets=targets) if isinstance(batch, PaddedBatch) else (images, targets)


def normalise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(images / 255 - mean) / std of a uint8 tensor (N, 3, H, W), float32, rounded as torchvision rounds."""
    shift, scale = _channels(tuple(mean), images.device), _channels(tuple(std), images.device)
    return images.to(torch.float32).div_(255).sub_(shift).div_(scale)


@cache
def _channels(values: tuple[float, ...], device: torch.device) -> torch.Tensor:
    # Cached, because copying them to the device for every batch would synchronise with it.
    return torch.tensor(values, dtype=torch.float32, device=device).view(3, 1, 1)


def check_normalisation(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises DataError unless `mean` and `std` are valid for three channels."""
    must = "three numbers on a scale of 0 to 1, of red, green and blue"
    checked("mean", mean, len(mean) == 3 and all(0 <= value <= 1 for value in mean), must)
    checked("std", std, len(std) == 3 and all(0 < value <= 1 for value in std), f"{must}, above 0")
