"""Training samples keyed by (epoch, index), and evaluation images by their index."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import PIL
import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.imagenet.transforms import EvalTransform, FastEvalTransform, TrainTransform
from datamodules.loading import keyed
from datamodules.loading.cache import PixelCache
from datamodules.loading.decode import decode_rgb
from datamodules.loading.index import FileIndex
from datamodules.loading.path_table import PathTable
from datamodules.loading.samplers import STAND_IN

# Target of samplers.STAND_IN; losses and metrics ignore it.
IGNORED_TARGET = -1


@dataclass(eq=False)
class TrainImages(Dataset):
    """Augmented images, each a pure function of (seed, epoch, index).

    Args:
        files: the indexed files.
        selection: positions in `files` that make up the set, int64.
        transform: random crop and flip.
        seed: seed of the augmentation.
        decode: decodes a file to the input of the transform.
    """

    files: FileIndex
    selection: np.ndarray
    transform: TrainTransform
    seed: int
    decode: Callable[[str], Any] = decode_rgb

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, int]:
        """A uint8 tensor (3, size, size) and its class, for a key (epoch, index)."""
        epoch, index = key
        path = self.file(key)
        random = keyed.generator(self.seed, "augment", epoch, index)
        return self.transform(self.decode(path), random, path), int(self.files.targets[self.selection[index]])

    def file(self, key: tuple[int, int]) -> str:
        """The file of a sample."""
        return self.files.path(int(self.selection[key[1]]))


@dataclass(eq=False)
class EvalImages(Dataset):
    """Evaluation images; the index STAND_IN gives the first image with IGNORED_TARGET.

    Args:
        files: the indexed files.
        selection: positions in `files` that make up the set, int64.
        targets: class of each file of the index, numbered as in the training set, int64.
        transform: resize and centre crop, or the image at its own aspect ratio.
        decode: decodes a file to the input of the transform.
        cache: a `crop_cache` that holds these images from number `first` on; None decodes the files.
    """

    files: FileIndex
    selection: np.ndarray
    targets: np.ndarray
    transform: Callable[[Image.Image, str], torch.Tensor]
    decode: Callable[[str], Any] = decode_rgb
    cache: PixelCache | None = None
    first: int = 0

    def __len__(self) -> int:
        return len(self.selection)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """A uint8 tensor (3, height, width) and its class."""
        position = int(self.selection[max(index, 0)])
        path = self.files.path(position)
        target = IGNORED_TARGET if index == STAND_IN else int(self.targets[position])
        if self.cache is not None:
            pixels, size = self.cache[self.first + max(index, 0)]
            return torch.from_numpy(np.array(pixels)).view(3, *size), target
        return self.transform(self.decode(path), path), target


def crop_cache(folder: Path, paths: PathTable, transform: EvalTransform) -> PixelCache:
    """A cache of evaluation crops, 3 bytes per pixel: 7.5 GB for ImageNet's 50,000 crops of 224 x 224 pixels."""
    crops = _Crops(paths, transform)
    # Other versions of Pillow may decode differently, other versions of torch resize differently.
    versions = (PIL.__version__, torch.__version__) if isinstance(transform, FastEvalTransform) else (PIL.__version__,)
    key = ("crops", repr(transform), *versions)
    return PixelCache(folder, key, paths, crops.files, crops.pixels, crops.size, channels=3)


class _Crops(NamedTuple):
    paths: PathTable
    transform: EvalTransform

    def files(self, number: int) -> tuple[str]:
        return (self.paths[number],)

    def pixels(self, number: int) -> np.ndarray:
        path = self.paths[number]
        return self.transform(decode_rgb(path), path).numpy().ravel()

    def size(self, number: int) -> tuple[int, int]:
        return self.transform.size, self.transform.size
