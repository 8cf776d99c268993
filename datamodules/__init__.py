"""Data: images from disk to batches, each sample a pure function of (seed, epoch, index)."""

from datamodules.cityscapes_module import CityscapesDataModule
from datamodules.datasets import IGNORED
from datamodules.errors import DataError
from datamodules.imagenet import ImageNetDataModule
from datamodules.resumable import ResumableDataModule

__all__ = ["IGNORED", "CityscapesDataModule", "DataError", "ImageNetDataModule", "ResumableDataModule"]
