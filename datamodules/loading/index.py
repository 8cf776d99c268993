"""Indexes the image files of a folder and their classes; 1.28 million files on a local disk take 5 s of one core."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.errors import DataError, named, some
from datamodules.loading.decode import decode_rgb
from datamodules.loading.path_table import PathTable
from datamodules.loading.samplers import STAND_IN

# torchvision.datasets.folder.IMG_EXTENSIONS
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@dataclass(frozen=True)
class FileIndex:
    """The images below a folder, in the order of torchvision's ImageFolder.

    Attributes:
        folder: the scanned folder.
        classes: names of its class folders, sorted; empty for a flat folder.
        files: paths relative to `folder`.
        sizes: sizes in bytes, int64; -1 for a dangling link.
        targets: position in `classes` for each file, int64; -1 in a flat folder.
    """

    folder: Path
    classes: tuple[str, ...]
    files: PathTable
    sizes: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> str:
        return os.path.join(self.folder, self.files[index])


def scan_classes(folder: Path) -> FileIndex:
    """Indexes a folder with one subfolder per class; images may lie at any depth in it.

    Unlike ImageFolder, skips names that begin with a dot: macOS leaves `._x.JPEG`, which are no images.

    Raises:
        DataError: there is no class folder, or a class folder holds no image.
    """
    classes, loose = _list(folder)
    if not classes:
        raise DataError(
            f"holds no class folders (but {len(loose)} images)" if loose else "holds neither class folders nor images",
            where=folder,
            todo="Expected one subfolder for each class, such as train/n01440764/*.JPEG.",
        )
    found = [list(_walk(folder, name)) for name in classes]
    if empty := [name for name, images in zip(classes, found, strict=True) if not images]:
        raise DataError(
            f"{len(empty)} class folders hold no image: {some(str(folder / name) for name in empty)}",
            where=folder,
            todo=f"Remove them, or put images in them ({', '.join(IMAGE_EXTENSIONS)}).",
        )
    targets = np.repeat(np.arange(len(classes)), [len(images) for images in found])
    return _index(folder, classes, [image for images in found for image in images], targets)


def scan_flat(folder: Path) -> FileIndex:
    """Indexes all images below a folder, without classes, sorted by path; raises DataError if there is none."""
    images = sorted((os.path.normpath(file), size) for file, size in _walk(folder, "."))
    if not images:
        raise DataError("holds no image", where=folder, todo=f"Accepted: {', '.join(IMAGE_EXTENSIONS)}.")
    return _index(folder, [], images, np.full(len(images), -1))


def is_flat(folder: Path) -> bool:
    """Whether the folder holds images and no subfolder."""
    subfolders, images = _list(folder)
    return bool(images) and not subfolders


def _index(folder: Path, classes: list[str], images: list[tuple[str, int]], targets: np.ndarray) -> FileIndex:
    files, sizes = zip(*images, strict=True)
    return FileIndex(folder, tuple(classes), PathTable.pack(files), np.array(sizes, dtype=np.int64), targets)


def _walk(folder: Path, start: str) -> Iterator[tuple[str, int]]:
    """Paths and sizes of the images below a subfolder."""
    subfolders, images = _list(folder / start)
    for name, size in images.items():
        yield os.path.join(start, name), size
    for name in subfolders:
        yield from _walk(folder, os.path.join(start, name))


def _list(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Names of the subfolders, and of the images with their sizes."""
    subfolders, images = [], {}
    with named("cannot be read", folder), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.name.lower().endswith(IMAGE_EXTENSIONS):
                images[entry.name] = file_size(entry)
            elif entry.is_dir():
                subfolders.append(entry.name)
    return sorted(subfolders), dict(sorted(images.items()))


def file_size(path: str | os.DirEntry) -> int:
    """The size of a file in bytes; -1 if it cannot be read."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1  # no error here: the worker that decodes the file will name it


@dataclass(eq=False)
class FolderImages(Dataset):
    """Images of a folder without classes; for STAND_IN, the first image with an empty path.

    Args:
        files: the indexed files.
        transform: from an image and its path to a uint8 tensor, such as resize and centre crop.
    """

    files: FileIndex
    transform: Callable[[Image.Image, str], torch.Tensor]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
        """A uint8 tensor (3, height, width) and its path."""
        path = self.files.path(max(index, 0))
        return self.transform(decode_rgb(path), path), "" if index == STAND_IN else path
