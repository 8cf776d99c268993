"""Checks a folder of images before training: `python -m datamodules.imagenet ROOT [--deep]`.

Exits with 0 and a report, or with 2 and an error.
"""

import os
from pathlib import Path
from typing import Any

from datamodules.imagenet.layouts import find_split
from datamodules.loading.check import compare_digests, make_parser, read_all, run
from datamodules.loading.decode import decode_rgb, image_size
from datamodules.loading.file_set import file_digest
from datamodules.loading.index import FileIndex, is_flat, scan_classes, scan_flat


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
        found |= _read_all(root, files, deep, num_workers)
        classes = f" of {len(files.classes)} classes" if files.classes else ", without class folders"
        lines.append(f"{split}: {len(files)} images{classes}")
    if deep:
        lines.append(compare_digests(root, found, digests))
    return "\n".join(lines)


def _read_all(root: Path, files: FileIndex, deep: bool, num_workers: int | None) -> dict[str, str]:
    """Path below the root to digest of each image, if `deep`."""

    def read(index: int) -> Any:
        path = files.path(index)
        if not deep:
            return image_size(path)
        decode_rgb(path)
        return file_digest(path)

    results = read_all(read, len(files), num_workers, "images", files.folder)
    return {os.path.relpath(files.path(index), root): result for index, result in enumerate(results)} if deep else {}


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    return run(
        check, make_parser("datamodules.imagenet", "a folder of images", "train/ and val/").parse_args(arguments)
    )
