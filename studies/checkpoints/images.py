"""A folder of images for any network: the files, their classes if they are known, and normalised batches."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from timm.data import ImageNetInfo
from torch import Tensor

from datamodules.errors import refuse_no_folder
from datamodules.imagenet.transforms import EvalTransform
from datamodules.loading.decode import decode_rgb, image_size
from datamodules.loading.index import is_flat, scan_classes, scan_flat
from datamodules.loading.on_device import normalise
from studies.stats.sample import evenly

IMAGENET = {name: number for number, name in enumerate(ImageNetInfo().label_names())}
"""Maps ImageNet's class folders (n01440764) to the class numbers of timm's networks with 1,000 classes."""


@dataclass(frozen=True)
class Images:
    """Image files and their classes; `targets` is None if the folder's classes are not those of the network."""

    files: list[str]
    targets: list[int] | None

    @property
    def digest(self) -> str:
        """Digest of the files' names and sizes, in order; the folder's own path is left out, since it may move."""
        # Sizes, because numbered images of two folders have the same names. A missing file is reported when it is read.
        files = map(Path, self.files)
        parts = [f"{file.name} {file.stat().st_size if file.exists() else None}" for file in files]
        return hashlib.sha1(os.fsencode("\n".join(parts))).hexdigest()[:8]

    def enlargement(self, side: int) -> float:
        """Returns the largest factor by which `read_batch` resizes an image to `side`; above 1 pixels are made up."""
        return side / min(min(image_size(file)) for file in self.files)


def find_images(folder: Path, count: int | None, classes: Mapping[str, int]) -> Images:
    """Finds `count` images below `folder`, evenly spaced (None: all).

    Args:
        classes: maps names of class folders to the network's class numbers.

    Raises:
        DataError: the folder does not exist, or holds no image.
    """
    refuse_no_folder(folder, "Name a folder of images with --images.")
    index = scan_flat(folder) if is_flat(folder) else scan_classes(folder)
    numbers = evenly(range(len(index)), len(index) if count is None else count)
    names = [index.classes[index.targets[number]] if index.classes else "" for number in numbers]
    known = all(name in classes for name in names)
    return Images([index.path(number) for number in numbers], [classes[name] for name in names] if known else None)


def read_batch(files: Sequence[str], side: int, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Reads a normalised batch (N, 3, side, side): shorter side resized to `side`, centre cropped.

    Raises DataError for a file that cannot be decoded.
    """
    transform = EvalTransform(side, side)
    return normalise(torch.stack([transform(decode_rgb(file), file) for file in files]), mean, std)
