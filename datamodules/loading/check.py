"""What checks of a folder of images before training share: `python -m datamodules.imagenet ROOT`, and `.cityscapes`."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamodules.errors import DataError, some
from datamodules.loading.cache import cache_file, replacing
from datamodules.loading.workers import map_in_workers
from processes.cores import cores


def make_parser(module: str, what: str, holds: str) -> argparse.ArgumentParser:
    """The options of every check, named as the arguments of its function."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=f"Say whether {what} can be trained on.")
    parser.add_argument("root", type=Path, help=f"folder that holds {holds}")
    parser.add_argument("--deep", action="store_true", help="decode every file, and compare with the last deep check")
    parser.add_argument("--digests", type=Path, help="file of the digests (default: one below $XDG_CACHE_HOME)")
    parser.add_argument("--workers", dest="num_workers", type=int, help="processes (default: one a core)")
    return parser


def run(check: Callable[..., str], options: argparse.Namespace) -> int:
    """Prints the report of `check`, or its error; returns the exit status, 0 or 2."""
    options.root = options.root.expanduser()
    try:
        print(check(**vars(options)))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def read_all(read: Callable[[int], Any], size: int, num_workers: int | None, items: str, where: Path) -> list[Any]:
    """read(0), ..., read(size - 1), from `num_workers` processes; None for one a core.

    Raises:
        DataError: naming how many `items` in `where` cannot be used, and the first of them.
    """
    results = list(map_in_workers(read, size, cores() if num_workers is None else num_workers))
    errors = [result for result in results if isinstance(result, DataError)]
    if errors:
        raise DataError(f"{len(errors)} of {size} {items} cannot be used. {some(errors, 3)}", where=where)
    return results


def compare_digests(root: Path, found: dict[str, str], file: Path | None) -> str:
    """Compares with the digests that an earlier check kept, or keeps these; says which in a line.

    So a changed file is found although it still decodes.

    Args:
        root: the data's folder.
        found: path below it to `file_digest`.
        file: where digests are kept; None is a file of this root's in the cache.

    Raises:
        DataError: files are missing, or hold something else than before.
    """
    file = file or cache_file("digests", True, (os.path.realpath(root),)).with_suffix(".json")
    if not file.exists():
        _write(file, found)
        return f"digests of {len(found)} files were kept in {file}; the next deep check compares with them"
    try:
        kept = dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError("holds no digests", where=file, todo="Remove it to begin anew.") from error
    changed = [name for name in kept if found.get(name, kept[name]) != kept[name]]
    # Of scenes without the coarse labels these are not read.
    missing = [name for name in kept.keys() - found.keys() if not (root / name).exists()]
    lines = [
        f"{len(names)} of {len(kept)} files {what} since the digests in {file} were kept: {some(sorted(names))}"
        for names, what in ((changed, "have changed"), (missing, "are gone"))
        if names
    ]
    if lines:
        raise DataError(
            "; ".join(lines), where=root, todo="Restore them from the archive, or remove that file to take these."
        )
    if new := found.keys() - kept.keys():
        _write(file, kept | found)
    return f"all {len(found) - len(new)} files are as when their digests were kept in {file}; {len(new)} are new"


def _write(file: Path, digests: dict[str, str]) -> None:
    try:
        with replacing(file) as stream:
            stream.write(json.dumps(digests, indent=0).encode())
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror})", where=file, todo="Name another with --digests."
        ) from error
