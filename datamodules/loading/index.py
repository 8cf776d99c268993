"""Which image files a folder holds and of which class each is, kept between runs.

1.28 million names take minutes to list over a network file system.
"""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.utils.data import Dataset

from datamodules.errors import DataError, some
from datamodules.loading.array_cache import SETTLED_NS, cache_file, read_arrays, write_arrays
from datamodules.loading.decode import decode_rgb
from datamodules.loading.path_table import PathTable
from datamodules.loading.samplers import STAND_IN

# torchvision.datasets.folder.IMG_EXTENSIONS
IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")

# Part of the cache's key: raise it when another index would be made of the same files.
_FORMAT = "2"

CACHED_FROM = 20_000
"""Files from which on an index is kept: below, a scan takes a fraction of a second, and sees sizes that changed."""


@dataclass(frozen=True)
class FileIndex:
    """The images below a folder, in the order of torchvision's ImageFolder.

    Attributes:
        folder: the folder that was scanned.
        classes: names of its class folders, sorted; empty for a flat folder.
        files: paths relative to `folder`.
        sizes: of the files in bytes, int64; -1 of a dangling link.
        targets: position in `classes` of each file, int64; -1 in a flat folder.
        directories: every directory that was read, relative to `folder`, "." included.
        mtimes: modification time of each directory before it was read, in ns.
    """

    folder: Path
    classes: tuple[str, ...]
    files: PathTable
    sizes: np.ndarray
    targets: np.ndarray
    directories: PathTable
    mtimes: np.ndarray

    def __len__(self) -> int:
        return len(self.files)

    def path(self, index: int) -> str:
        return os.path.join(self.folder, self.files[index])


def scan_classes(folder: Path) -> FileIndex:
    """Index a folder that has one subfolder a class; images may lie deeper in each.

    Unlike ImageFolder, skips names that begin with a dot (a Mac leaves `._x.JPEG`, which are no images).

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
    files, sizes, targets, directories, mtimes = [], [], [], ["."], [_mtime(folder)]
    empty = []
    for target, name in enumerate(classes):
        before = len(files)
        for directory, mtime, images in _walk(folder, name):
            directories.append(directory)
            mtimes.append(mtime)
            files += [os.path.join(directory, file) for file in images]
            sizes += images.values()
        targets += [target] * (len(files) - before)
        if len(files) == before:
            empty.append(name)
    if empty:
        raise DataError(
            f"{len(empty)} class folders hold no image: {some(str(folder / name) for name in empty)}",
            where=folder,
            todo=f"Remove them, or put images in them ({', '.join(IMAGE_EXTENSIONS)}).",
        )
    return _index(folder, classes, files, sizes, targets, directories, mtimes)


def scan_flat(folder: Path) -> FileIndex:
    """Index all images below a folder, without classes, sorted by path.

    Raises:
        DataError: there is no image.
    """
    files, directories, mtimes = {}, [], []
    for directory, mtime, images in _walk(folder, "."):
        directories.append(directory)
        mtimes.append(mtime)
        files |= {os.path.normpath(os.path.join(directory, file)): size for file, size in images.items()}
    if not files:
        raise DataError("holds no image", where=folder, todo=f"Accepted: {', '.join(IMAGE_EXTENSIONS)}.")
    names = sorted(files)
    return _index(folder, [], names, [files[name] for name in names], [-1] * len(files), directories, mtimes)


def is_flat(folder: Path) -> bool:
    """Whether images lie in the folder itself, beside no subfolder."""
    subfolders, images = _list(folder)
    return bool(images) and not subfolders


def _index(folder, classes, files, sizes, targets, directories, mtimes) -> FileIndex:
    return FileIndex(
        folder,
        tuple(classes),
        PathTable.pack(files),
        np.array(sizes, dtype=np.int64),
        np.array(targets, dtype=np.int64),
        PathTable.pack(directories),
        np.array(mtimes, dtype=np.int64),
    )


def _walk(folder: Path, start: str) -> Iterator[tuple[str, int, dict[str, int]]]:
    # The time is taken before the listing: a file added in between makes the time look old, never the listing.
    mtime = _mtime(folder / start)
    subfolders, images = _list(folder / start)
    yield start, mtime, images
    for name in subfolders:
        yield from _walk(folder, os.path.join(start, name))


def _mtime(folder: Path) -> int:
    try:
        return os.stat(folder).st_mtime_ns
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=folder) from error


def _list(folder: Path) -> tuple[list[str], dict[str, int]]:
    """Names of the subfolders, and of the images with their sizes."""
    subfolders, images = [], {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.name.lower().endswith(IMAGE_EXTENSIONS):
                    images[entry.name] = file_size(entry)
                elif entry.is_dir():
                    subfolders.append(entry.name)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=folder) from error
    return sorted(subfolders), dict(sorted(images.items()))


def file_size(path: str | os.DirEntry) -> int:
    """In bytes; -1 of a file that cannot be asked."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1  # the worker that decodes it names it


def cached(scan: Callable[[Path], FileIndex], folder: Path, cache: bool | str) -> FileIndex:
    """The index of a folder; from the cache if no directory has changed since it was scanned.

    Args:
        scan: `scan_classes` or `scan_flat`.
        folder: the folder to index.
        cache: False for none, True for the default folder, or a folder of your own.
    """
    folder = Path(folder)
    if cache is False:
        return scan(folder)
    key = (_FORMAT, scan.__name__, os.path.realpath(folder), IMAGE_EXTENSIONS)
    file = cache_file("index", cache, key)
    index = read_arrays(file, key, lambda stored: _unchanged(folder, stored))
    if index is None:
        index = scan(folder)
        _write_cache(file, index, key)
    return index


def _unchanged(folder: Path, stored: dict[str, np.ndarray]) -> FileIndex | None:
    """The index of a folder from its arrays; None where a directory has changed since."""
    classes = tuple(os.fsdecode(stored["classes"].tobytes()).split("\0")[:-1])
    files, directories = PathTable(stored["files"]), PathTable(stored["directories"])
    sizes, targets, mtimes = stored["sizes"], stored["targets"], stored["mtimes"]
    current = [os.stat(folder / directories[i]).st_mtime_ns for i in range(len(directories))]
    if not len(files) == len(targets) == len(sizes) or current != mtimes.tolist():
        return None
    return FileIndex(folder, classes, files, sizes, targets, directories, mtimes)


def _write_cache(file: Path, index: FileIndex, key: tuple) -> None:
    if len(index) < CACHED_FROM or time.time_ns() - int(index.mtimes.max()) < SETTLED_NS:
        return
    arrays = {
        "classes": PathTable.pack(index.classes).data,
        "files": index.files.data,
        "sizes": index.sizes,
        "targets": index.targets,
        "directories": index.directories.data,
        "mtimes": index.mtimes,
    }
    write_arrays(file, key, arrays, f"the file index of {index.folder} was not cached")


@dataclass(eq=False)
class FolderImages(Dataset):
    """Images of a folder without classes; for STAND_IN, the first image with an empty path.

    Args:
        files: the indexed files.
        transform: resize and centre crop, or whatever else shows the network an image.
    """

    files: FileIndex
    transform: Callable[[Image.Image, str], torch.Tensor]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, str]:
        """A uint8 tensor (3, height, width) and its path."""
        path = self.files.path(max(index, 0))
        return self.transform(decode_rgb(path), path), "" if index == STAND_IN else path
