"""One sample from one key."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.imagenet.transforms import EvalTransform, TrainTransform, WholeTransform, resize_shorter
from datamodules.loading import keyed
from datamodules.loading.decode import decode_rgb
from datamodules.loading.index import FileIndex
from datamodules.loading.samplers import PAD

# Target of a stand-in image: losses and metrics leave it out.
IGNORED = -1


class TrainImages(Dataset):
    """Augmented images, each a pure function of (seed, epoch, index).

    Args:
        files: the indexed files.
        selection: positions in `files` that make up the set, int64.
        transform: random crop and flip.
        seed: seed of the augmentation.
    """

    def __init__(self, files: FileIndex, selection: np.ndarray, transform: TrainTransform, seed: int):
        self.files = files
        self.selection = selection
        self.transform = transform
        self.seed = seed

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """A uint8 tensor (3, size, size) and its class, for a key (epoch, index)."""
        epoch, index = key
        position = int(self.selection[index])
        path = self.files.path(position)
        random = keyed.generator(self.seed, "augment", epoch, index)
        return self.transform(decode_rgb(path), random, path), int(self.files.targets[position])


class EvalImages(Dataset):
    """Images as they are evaluated; for PAD, the first image with the target IGNORED.

    Args:
        files: the indexed files.
        selection: positions in `files` that make up the set, int64.
        targets: class of each file of the index, in the numbering of the training set, int64.
        transform: resize and centre crop.
    """

    def __init__(self, files: FileIndex, selection: np.ndarray, targets: np.ndarray, transform: EvalTransform):
        self.files = files
        self.selection = selection
        self.targets = targets
        self.transform = transform

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """A uint8 tensor (3, size, size) and its class."""
        path = self._path(index)
        return self.transform(decode_rgb(path), path), self._target(index)

    def _path(self, index: int) -> str:
        return self.files.path(int(self.selection[max(index, 0)]))

    def _target(self, index: int) -> int:
        return IGNORED if index == PAD else int(self.targets[int(self.selection[index])])


class CroppedAndWhole(EvalImages):
    """Images as they are evaluated, and the same images whole; for PAD as EvalImages.

    Args:
        files, selection, targets, transform: as EvalImages.
        whole: the same resizing, and the greatest height and width.
    """

    def __init__(
        self,
        files: FileIndex,
        selection: np.ndarray,
        targets: np.ndarray,
        transform: EvalTransform,
        whole: WholeTransform,
    ):
        super().__init__(files, selection, targets, transform)
        self.whole = whole

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int, torch.Tensor]:
        """A uint8 tensor (3, size, size), its class, and the whole image (3, height, width)."""
        path, resize = self._path(index), self.whole.resize
        image = decode_rgb(path)
        # Resized once for both: the crop is the centre of the whole image.
        image = image if resize is None else resize_shorter(image, resize)
        return self.transform.centre(image, path), self._target(index), self.whole.cut(image)


class FolderImages(Dataset):
    """Images of a folder without classes; for PAD, the first image with an empty path.

    Args:
        files: the indexed files.
        transform: resize and centre crop, or whatever else shows the network an image.
    """

    def __init__(self, files: FileIndex, transform: Callable[[Image.Image, str], torch.Tensor]):
        self.files = files
        self.transform = transform

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
        """A uint8 tensor (3, height, width) and its path."""
        path = self.files.path(max(index, 0))
        return self.transform(decode_rgb(path), path), "" if index == PAD else path
