"""Where the classes lie in label maps: their centroids in square tiles, kept between runs.

To find them every label file must be decoded.
"""

import contextlib
import fcntl
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from datamodules.cityscapes.labels import CLASS_NAMES, decode_classes
from datamodules.errors import DataError
from datamodules.loading.check import cache_file
from datamodules.loading.path_table import PathTable
from datamodules.loading.workers import map_in_workers

_T = TypeVar("_T")

_CLASSES = len(CLASS_NAMES)
# Raise it when other centroids would be found in the same files.
_FORMAT = "1"
# From here on it takes longer than one would wait without a word.
_MANY = 200

# A file changed so recently may change again within one tick of its clock, so it is not kept yet.
SETTLED_NS = 2_000_000_000

# Size in bytes, and the times of the last change of content and of inode in ns. The second also tells of a file that
# was replaced by another with its time set back, as `cp -p` and `tar` do.
_Stamp = tuple[int, int, int]


class _Entry(NamedTuple):
    stamp: _Stamp
    centroids: np.ndarray


def class_centroids(classes: np.ndarray, tile_size: int) -> np.ndarray:
    """The centroid of each class present in each square tile.

    Tiles start at the top left; the last ones of a row or column are cut off by the image's border, and a smaller image
    is one tile. A centroid is the mean row and column of the class's pixels in the tile, rounded down; it need not be
    a pixel of the class (that of a ring is not).

    Args:
        classes: uint8 (H, W), 255 where ignored.
        tile_size: side of a tile in pixels.

    Returns:
        int32 (n, 3): class, row, column, by tile and then by class.
    """
    height, width = classes.shape
    found = [
        _tile_centroids(classes[top : top + tile_size, left : left + tile_size]) + np.array((0, top, left))
        for top in range(0, height, tile_size)
        for left in range(0, width, tile_size)
    ]
    return np.concatenate(found).astype(np.int32)


def _tile_centroids(tile: np.ndarray) -> np.ndarray:
    # The ignored go to one more class, so that a row's counts stay in the processor's cache.
    tile = np.minimum(tile, _CLASSES).astype(np.int64)
    rows, columns = _counts(tile), _counts(tile.T)
    counts = rows.sum(axis=0)
    present = np.flatnonzero(counts)
    row = np.arange(len(rows)) @ rows[:, present] // counts[present]
    column = np.arange(len(columns)) @ columns[:, present] // counts[present]
    return np.stack((present, row, column), axis=1)


def _counts(tile: np.ndarray) -> np.ndarray:
    """Pixels of each class in each row, int64 (rows, classes)."""
    codes = tile + np.arange(len(tile))[:, None] * (_CLASSES + 1)
    counts = np.bincount(codes.ravel(), minlength=len(tile) * (_CLASSES + 1))
    return counts.reshape(len(tile), _CLASSES + 1)[:, :_CLASSES]


def centroids_of_files(root: Path, files: list[str], tile_size: int, num_workers: int) -> list[np.ndarray]:
    """`class_centroids` of label files, computed by `num_workers` processes.

    A file of 1024 x 2048 pixels takes 0.06 s, so Cityscapes with its coarse images (22,973 files) 25 minutes on one
    core.

    Raises:
        DataError: a file cannot be used.
    """
    if len(files) >= _MANY:
        said = f"finding the centroids of the classes in {len(files)} label files of {root}"
        print(said, file=sys.stderr, flush=True)
    paths = PathTable.pack(files)
    results = []
    for result in map_in_workers(
        lambda index: class_centroids(decode_classes(str(root / paths[index])), tile_size), len(paths), num_workers
    ):
        if isinstance(result, DataError):
            raise result
        results.append(result)
    return results


def find_centroids(
    root: Path, files: list[str], tile_size: int, num_workers: int, cache: bool | str
) -> list[np.ndarray]:
    """`class_centroids` of each label file, from the cache where the file has not changed since.

    Processes that start together wait for the first to find them.

    Args:
        root: the tree.
        files: label files, relative to the root.
        tile_size: side of a tile in pixels.
        num_workers: processes that decode what the cache lacks; 0 decodes in this one.
        cache: False for none, True for the default folder, or a folder of your own.

    Raises:
        DataError: a label file cannot be used.
    """
    if cache is False:
        return centroids_of_files(root, files, tile_size, num_workers)
    key = (_FORMAT, os.path.realpath(root), tile_size)
    file = cache_file("centroids", cache, key)
    with _one_at_a_time(file):
        # The stamps come before the decoding: a file that changes in between looks older than it is, never newer.
        started = time.time_ns()
        stamps = {name: _stamp(root / name) for name in files}
        known = read_arrays(file, key, _entries) or {}
        lacking = [name for name, stamp in stamps.items() if name not in known or known[name].stamp != stamp]
        if lacking:
            # Those of files that were not asked for stay: another split asks for others.
            for name, found in zip(lacking, centroids_of_files(root, lacking, tile_size, num_workers), strict=True):
                known[name] = _Entry(stamps[name], found)
            _write(file, key, known, started)
        return [known[name].centroids for name in files]


def _stamp(file: Path) -> _Stamp:
    try:
        status = os.stat(file)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", where=file) from error
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextlib.contextmanager
def _one_at_a_time(file: Path) -> Iterator[None]:
    """A lock that the system lets go of when its process ends; none where the file system has no locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(file.with_suffix(".lock"), "w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _entries(stored: dict[str, np.ndarray]) -> dict[str, _Entry]:
    names, stamps, ends, rows = PathTable(stored["names"]), stored["stamps"], stored["ends"], stored["rows"]
    if ends[-1] != len(rows):
        raise ValueError("rows are missing")
    entries = zip(stamps.tolist(), np.split(rows, ends[:-1]), strict=True)
    return {names[i]: _Entry(tuple(stamp), centroids) for i, (stamp, centroids) in enumerate(entries)}


def _write(file: Path, key: tuple, entries: dict[str, _Entry], started: int) -> None:
    settled = {name: entry for name, entry in entries.items() if started - max(entry.stamp[1:]) >= SETTLED_NS}
    if not settled:
        return
    content = {
        "names": PathTable.pack(settled).data,
        "stamps": np.array([entry.stamp for entry in settled.values()], dtype=np.int64),
        "ends": np.cumsum([len(entry.centroids) for entry in settled.values()]),
        "rows": np.concatenate([entry.centroids for entry in settled.values()]),
    }
    write_arrays(file, key, content, f"the centroids were not kept in {file.parent}")


def read_arrays(file: Path, key: tuple, build: Callable[[dict[str, np.ndarray]], _T]) -> _T | None:
    """What `build` makes of the arrays of a file; None where it is missing, damaged, or of another key."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        return build(stored) if str(stored["key"]) == repr(key) else None
    # Whatever a damaged archive makes NumPy or zipfile raise, the answer is the same: make the arrays again.
    except Exception:
        return None


def write_arrays(file: Path, key: tuple, arrays: Mapping[str, np.ndarray], complaint: str) -> None:
    """Writes an .npz file under another name and renames it; where that fails, warns with `complaint` and goes on."""
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, key=np.array(repr(key)), **arrays)
        os.replace(temporary, file)
    except OSError as error:
        warnings.warn(f"{complaint}: {error}", stacklevel=3)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
