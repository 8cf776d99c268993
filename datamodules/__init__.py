"""Data: images from disk to batches, each sample a pure function of (seed, epoch, index)."""

from datamodules.cityscapes.labels import IGNORED_PIXEL
from datamodules.cityscapes.module import CityscapesDataModule
from datamodules.errors import DataError
from datamodules.imagenet.datasets import IGNORED_TARGET
from datamodules.imagenet.module import ImageNetDataModule
from datamodules.loading.padded import PaddedBatch
from datamodules.loading.resumable import ResumableDataModule

# The name that IGNORED_TARGET had before, for code that imports it.
IGNORED = IGNORED_TARGET

__all__ = [
    "IGNORED",
    "IGNORED_PIXEL",
    "IGNORED_TARGET",
    "CityscapesDataModule",
    "DataError",
    "ImageNetDataModule",
    "PaddedBatch",
    "ResumableDataModule",
]
