"""Checks a folder of images before training: `python -m datamodules.imagenet ROOT [--deep]`.

Exits with 0 and a report, or with 2 and an error.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from datamodules.errors import DataError, some
from datamodules.imagenet.layouts import find_split
from datamodules.loading.decode import decode_rgb, image_size
from datamodules.loading.file_set import compare_digests, file_digest
from datamodules.loading.index import FileIndex, is_flat, scan_classes, scan_flat
from datamodules.loading.workers import map_in_workers


def check(root: Path | str, deep: bool = False, num_workers: int | None = None, digests: Path | None = None) -> str:
    """Verify the training and the validation images.

    Args:
        root: as `ImageNetDataModule` takes it.
        deep: decode every image, and compare its content with that of an earlier deep check: a JPEG with a flipped bit
            decodes, mostly, to a wrong image. An hour on one core for ImageNet.
        num_workers: processes; None for one a core.
        digests: file that holds the digests of a deep check; None keeps them in the cache.

    Returns:
        A report: images and classes of each split.

    Raises:
        DataError: the folder cannot be used; of many faults, the first and their number.
    """
    root = Path(root).expanduser()
    lines, found = [f"{root}: {'all pixels' if deep else 'all headers'} read"], {}
    for split in ("train", "val"):
        folder = find_split(root, split)
        files = (scan_flat if is_flat(folder) else scan_classes)(folder)
        found |= _read_all(root, files, deep, os.cpu_count() or 1 if num_workers is None else num_workers)
        classes = f" of {len(files.classes)} classes" if files.classes else ", without class folders"
        lines.append(f"{split}: {len(files)} images{classes}")
    if deep:
        lines.append(compare_digests(root, found, digests))
    return "\n".join(lines)


def _read_all(root: Path, files: FileIndex, deep: bool, num_workers: int) -> dict[str, str]:
    """Path below the root to digest of each image, if `deep`."""

    def read(index: int) -> Any:
        path = files.path(index)
        if not deep:
            return image_size(path)
        decode_rgb(path)
        return file_digest(path)

    results = list(map_in_workers(read, len(files), num_workers))
    errors = [result for result in results if isinstance(result, DataError)]
    if errors:
        raise DataError(f"{len(errors)} of {len(files)} images cannot be used. {some(errors, 3)}", where=files.folder)
    return {os.path.relpath(files.path(index), root): result for index, result in enumerate(results)} if deep else {}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m datamodules.imagenet", description="Say whether a folder of images can be trained on."
    )
    parser.add_argument("root", type=Path, help="folder that holds train/ and val/")
    parser.add_argument("--deep", action="store_true", help="decode every file, and compare with the last deep check")
    parser.add_argument("--digests", type=Path, help="file of the digests (default: one below $XDG_CACHE_HOME)")
    parser.add_argument("--workers", type=int, help="processes (default: one a core)")
    options = parser.parse_args(arguments)
    try:
        print(check(options.root, options.deep, options.workers, options.digests))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
