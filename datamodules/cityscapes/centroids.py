"""Centroids of the classes in square tiles of the label maps, cached between runs.

Finding them takes decoding every label file.
"""

import os
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.cityscapes.labels import CLASS_NAMES, decode_classes
from datamodules.errors import DataError
from datamodules.loading.cache import Stamp, cache_file, one_at_a_time, read_arrays, stamp, unsettled, write_arrays
from datamodules.loading.path_table import PathTable
from datamodules.loading.workers import map_in_workers

_CLASSES = len(CLASS_NAMES)
# Raise it when the same files would give other centroids.
_FORMAT = "1"
# From this many label files on (12 s on one core) a message says what takes so long.
_MANY = 200


Entries = dict[str, tuple[Stamp, np.ndarray]]
"""Maps each label file to its stamp and its centroids."""


def class_centroids(classes: np.ndarray, tile_size: int) -> np.ndarray:
    """The centroid of each class present in each square tile.

    Tiles start at the top left; the image's border cuts off the last ones of a row or column. A centroid is the mean
    row and column of the class's pixels in the tile, rounded down. It need not be a pixel of the class (as in a ring).

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
    # Ignored pixels (255) become one more class: with 256 classes a row's counts would not fit into the CPU's cache.
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
    """`class_centroids` of label files, computed by `num_workers` processes; raises DataError if a file is unusable.

    A file of 1024 x 2048 pixels takes 0.06 s, so Cityscapes with its coarse images (22,973 files) 25 minutes on one
    core.
    """
    if len(files) >= _MANY:
        said = f"finding the centroids of the classes in {len(files)} label files of {root}"
        print(said, file=sys.stderr, flush=True)
    paths = PathTable.pack(files)
    results = []
    for result in map_in_workers(partial(_centroids_of_file, root, paths, tile_size), len(paths), num_workers):
        if isinstance(result, DataError):
            raise result
        results.append(result)
    return results


def _centroids_of_file(root: Path, paths: PathTable, tile_size: int, index: int) -> np.ndarray:
    return class_centroids(decode_classes(str(root / paths[index])), tile_size)


def find_centroids(
    root: Path, files: list[str], tile_size: int, num_workers: int, cache: bool | str
) -> list[np.ndarray]:
    """`class_centroids` of each label file, from the cache if the file has not changed.

    Of processes that start together, one computes them and the others wait for it.

    Args:
        root: the tree.
        files: label files, relative to the root.
        tile_size: side of a tile in pixels.
        num_workers: processes that decode files missing in the cache; 0 decodes in this process.
        cache: False for no cache, True for the default folder, or another folder.

    Raises:
        DataError: a label file cannot be used.
    """
    if cache is False:
        return centroids_of_files(root, files, tile_size, num_workers)
    key = (_FORMAT, os.path.realpath(root), tile_size)
    file = cache_file("centroids", cache, key)
    with one_at_a_time(file):
        # Stamps are taken before decoding: a file that changes in between gets a stamp too old, never one too new.
        started = time.time_ns()
        stamps = {name: stamp(root / name) for name in files}
        known = read_arrays(file, key, _entries) or {}
        lacking = [name for name, stamp in stamps.items() if name not in known or known[name][0] != stamp]
        if lacking:
            # Entries of other files stay: another split needs them.
            for name, found in zip(lacking, centroids_of_files(root, lacking, tile_size, num_workers), strict=True):
                known[name] = stamps[name], found
            _write(file, key, known, started)
        return [known[name][1] for name in files]


def _entries(stored: dict[str, np.ndarray]) -> Entries:
    names, stamps, ends, rows = PathTable(stored["names"]), stored["stamps"], stored["ends"], stored["rows"]
    if ends[-1] != len(rows):
        raise ValueError("rows are missing")
    entries = zip(stamps.tolist(), np.split(rows, ends[:-1]), strict=True)
    return {names[i]: (tuple(stamp), centroids) for i, (stamp, centroids) in enumerate(entries)}


def _write(file: Path, key: tuple, entries: Entries, started: int) -> None:
    settled = {name: entry for name, entry in entries.items() if not unsettled(entry[0], started)}
    if not settled:
        return
    stamps, centroids = zip(*settled.values(), strict=True)
    content = {"names": PathTable.pack(settled).data, "stamps": np.array(stamps, dtype=np.int64)}
    content |= {"ends": np.cumsum([len(rows) for rows in centroids]), "rows": np.concatenate(centroids)}
    write_arrays(file, key, content, f"the centroids were not kept in {file.parent}")
