"""Data: images from disk to batches, each sample a pure function of (seed, epoch, index)."""

from datamodules.cityscapes.module import CityscapesDataModule
from datamodules.errors import DataError
from datamodules.imagenet.datasets import IGNORED
from datamodules.imagenet.module import ImageNetDataModule
from datamodules.loading.resumable import ResumableDataModule

__all__ = ["IGNORED", "CityscapesDataModule", "DataError", "ImageNetDataModule", "ResumableDataModule"]
