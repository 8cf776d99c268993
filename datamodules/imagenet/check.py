"""Checks a folder of images before training: `python -m datamodules.imagenet ROOT [--deep]`.

Exits with 0 and a report, or with 2 and an error. A deep check takes an hour on one core for ImageNet.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

from datamodules.imagenet.layouts import find_split
from datamodules.loading.check import compare_digests, make_parser, read_all, run
from datamodules.loading.decode import decode_rgb, image_size
from datamodules.loading.file_set import file_digest
from datamodules.loading.index import FileIndex, is_flat, scan_classes, scan_flat


def check(root: Path, deep: bool, num_workers: int | None, digests: Path | None) -> str:
    """Reads every image and reports the images and classes of each split; `make_parser` documents the options.

    Raises:
        DataError: the folder cannot be used; says how many faults there are, and names the first ones.
    """
    lines, found = [f"{root}: {'all pixels' if deep else 'all headers'} read"], {}
    for split in ("train", "val"):
        folder = find_split(root, split)
        files = (scan_flat if is_flat(folder) else scan_classes)(folder)
        results = read_all(partial(_read, files, deep), len(files), num_workers, "images", folder)
        if deep:
            found |= {os.path.relpath(files.path(index), root): result for index, result in enumerate(results)}
        classes = f" of {len(files.classes)} classes" if files.classes else ", without class folders"
        lines.append(f"{split}: {len(files)} images{classes}")
    if deep:
        lines.append(compare_digests(root, found, digests))
    return "\n".join(lines)


def _read(files: FileIndex, deep: bool, index: int) -> Any:
    """The size of an image, from its header; if `deep`, decodes the file and returns its digest."""
    path = files.path(index)
    if not deep:
        return image_size(path)
    decode_rgb(path)
    return file_digest(path)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = make_parser("datamodules.imagenet", "a folder of images", "train/ and val/")
    return run(check, parser.parse_args(arguments))
