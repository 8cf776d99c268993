"""Training samples keyed by (epoch, index), and evaluation images by their index."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.imagenet.transforms import TrainTransform
from datamodules.loading import keyed
from datamodules.loading.decode import decode_rgb
from datamodules.loading.index import FileIndex
from datamodules.loading.samplers import STAND_IN

# Target of the stand-in for an image (samplers.STAND_IN): losses and metrics leave it out.
IGNORED_TARGET = -1


@dataclass(eq=False)
class TrainImages(Dataset):
    """Augmented images, each a pure function of (seed, epoch, index).

    Args:
        files: the indexed files.
        selection: positions in `files` that make up the set, int64.
        transform: random crop and flip.
        seed: seed of the augmentation.
    """

    files: FileIndex
    selection: np.ndarray
    transform: TrainTransform
    seed: int

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """A uint8 tensor (3, size, size) and its class, for a key (epoch, index)."""
        epoch, index = key
        path = self.file(key)
        random = keyed.generator(self.seed, "augment", epoch, index)
        return self.transform(decode_rgb(path), random, path), int(self.files.targets[self.selection[index]])

    def file(self, key: tuple[int, int]) -> str:
        """The file of a sample."""
        return self.files.path(int(self.selection[key[1]]))


@dataclass(eq=False)
class EvalImages(Dataset):
    """Images as they are evaluated; for STAND_IN, the first image with IGNORED_TARGET.

    Args:
        files: the indexed files.
        selection: positions in `files` that make up the set, int64.
        targets: class of each file of the index, in the numbering of the training set, int64.
        transform: resize and centre crop, or the image at its own aspect ratio.
    """

    files: FileIndex
    selection: np.ndarray
    targets: np.ndarray
    transform: Callable[[Image.Image, str], torch.Tensor]

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """A uint8 tensor (3, height, width) and its class."""
        position = int(self.selection[max(index, 0)])
        path = self.files.path(position)
        target = IGNORED_TARGET if index == STAND_IN else int(self.targets[position])
        return self.transform(decode_rgb(path), path), target
