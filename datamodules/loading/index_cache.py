"""Index files kept between runs: 1.28 million names take minutes to list over a network file system."""

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from datamodules.loading.array_cache import cache_folder, write_arrays
from datamodules.loading.index import IMAGE_EXTENSIONS, FileIndex
from datamodules.loading.packed import PackedPaths

_FORMAT = "1"
# A directory changed so recently may change again within the same tick of its clock: such an index is not kept.
_SETTLED_NS = 2_000_000_000


def cached(scan: Callable[[Path], FileIndex], folder: Path, cache: bool | str) -> FileIndex:
    """`scan(folder)`, from the cache where no directory has changed since.

    Args:
        scan: `scan_classes` or `scan_flat`.
        folder: the folder to index.
        cache: False for none, True for the default folder, or a folder of your own.

    A cache that is broken, foreign or cannot be written never stops a run: the folder is scanned.
    """
    folder = Path(folder)
    if cache is False:
        return scan(folder)
    place = cache_folder("index") if cache is True else Path(cache)
    key = repr((_FORMAT, scan.__name__, os.path.realpath(folder), IMAGE_EXTENSIONS))
    file = place / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.npz"
    index = _read(file, folder, key)
    if index is None:
        index = scan(folder)
        _write(file, index, key)
    return index


def _read(file: Path, folder: Path, key: str) -> FileIndex | None:
    try:
        with np.load(file, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        if str(stored["key"]) != key:
            return None
        index = FileIndex(
            folder,
            tuple(os.fsdecode(stored["classes"].tobytes()).split("\0")[:-1]),
            PackedPaths(stored["files"]),
            stored["targets"],
            PackedPaths(stored["directories"]),
            stored["mtimes"],
        )
        if len(index.files) != len(index.targets) or len(index.directories) != len(index.mtimes):
            return None
        current = (os.stat(folder / index.directories[i]).st_mtime_ns for i in range(len(index.directories)))
        return index if all(a == b for a, b in zip(current, index.mtimes.tolist(), strict=True)) else None
    # Whatever a damaged archive makes NumPy or zipfile raise, the answer is the same: scan again.
    except Exception:
        return None


def _write(file: Path, index: FileIndex, key: str) -> None:
    if time.time_ns() - int(index.mtimes.max()) < _SETTLED_NS:
        return
    arrays = {
        "key": np.array(key),
        "classes": PackedPaths.pack(index.classes).data,
        "files": index.files.data,
        "targets": index.targets,
        "directories": index.directories.data,
        "mtimes": index.mtimes,
    }
    write_arrays(file, arrays, f"the file index of {index.folder} was not cached")
