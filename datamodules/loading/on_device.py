"""Normalises uint8 batches on the device: uint8 is a quarter of the transfer, and workers do no float arithmetic."""

from collections.abc import Sequence

import pytorch_lightning as pl
import torch

from datamodules.errors import DataError
from datamodules.loading.padded import PaddedBatch, clear_beyond


def batch_on_device(
    batch: tuple | PaddedBatch, mean: Sequence[float], std: Sequence[float], trainer: pl.Trainer | None
) -> tuple | PaddedBatch:
    """A batch after its transfer: images normalised in the Trainer's precision, targets int64, paths unchanged.

    Class maps are sent as bytes, too, an eighth of int64.
    """
    if isinstance(batch, PaddedBatch):
        images = normalise_on_device(batch.images, mean, std, trainer, batch.sizes)
        return batch._replace(images=images, targets=_as_int64(batch.targets))
    images, targets = batch
    return normalise_on_device(images, mean, std, trainer), _as_int64(targets)


def normalise_on_device(
    images: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    trainer: pl.Trainer | None,
    sizes: torch.Tensor | None = None,
) -> torch.Tensor:
    """uint8 images (N, 3, H, W) normalised, 0 beyond their `sizes` (N, 2); floats are returned unchanged."""
    if images.dtype != torch.uint8:
        return images
    images = normalise(images, mean, std)
    if sizes is not None:
        images = clear_beyond(images, sizes)
    # Lightning converts inputs to half or double precision before this hook, when they still are uint8.
    return images if trainer is None else trainer.precision_plugin.convert_input(images)


def normalise(images: torch.Tensor, mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """(images / 255 - mean) / std of a uint8 tensor (N, 3, H, W), float32, rounded as torchvision rounds."""
    mean = torch.tensor(mean, dtype=torch.float32, device=images.device).view(3, 1, 1)
    std = torch.tensor(std, dtype=torch.float32, device=images.device).view(3, 1, 1)
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)


def check_normalisation(mean: Sequence[float], std: Sequence[float]) -> None:
    """Raises DataError where the settings `mean` and `std` cannot be those of three channels."""
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise DataError(f"`mean` is {mean} and `std` is {std}; each must be three numbers, those of `std` above 0")


def _as_int64(targets: torch.Tensor | list[str]) -> torch.Tensor | list[str]:
    return targets.long() if isinstance(targets, torch.Tensor) else targets
