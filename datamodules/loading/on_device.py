"""The last step of a pixel's way: from uint8 to normalised floats, on the device."""

from collections.abc import Sequence

import pytorch_lightning as pl
import torch

from datamodules.imagenet.transforms import normalise
from datamodules.loading.padded import clear_beyond


def normalise_on_device(
    images: torch.Tensor,
    mean: Sequence[float],
    std: Sequence[float],
    trainer: pl.Trainer | None,
    sizes: torch.Tensor | None = None,
) -> torch.Tensor:
    """uint8 images (N, 3, H, W) normalised, in the Trainer's precision, 0 beyond their `sizes`; others as they are.

    After the transfer: uint8 is a quarter of it, and the workers do no float arithmetic.
    """
    if images.dtype != torch.uint8:
        return images
    images = normalise(images, mean, std)
    if sizes is not None:
        images = clear_beyond(images, sizes)
    # Half and double precision convert their input before the hook that calls this, when it still is uint8.
    return images if trainer is None else trainer.precision_plugin.convert_input(images)
