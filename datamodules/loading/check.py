"""Shared code of the checks before training: `python -m datamodules.imagenet ROOT` and `.cityscapes ROOT`."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datamodules.errors import DataError, named, some
from datamodules.loading.cache import cache_file, replacing
from datamodules.loading.workers import map_in_workers
from processes.cores import cores


def make_parser(module: str, what: str, holds: str) -> argparse.ArgumentParser:
    """A parser of the options of both checks, named like the arguments of their functions."""
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
    """Returns [read(0), ..., read(size - 1)], computed by `num_workers` processes; None for one per core.

    Raises:
        DataError: some `items` in `where` cannot be used; says how many, and names the first ones.
    """
    results = list(map_in_workers(read, size, cores() if num_workers is None else num_workers))
    errors = [result for result in results if isinstance(result, DataError)]
    if errors:
        raise DataError(f"{len(errors)} of {size} {items} cannot be used. {some(errors, 3)}", where=where)
    return results


def compare_digests(root: Path, found: dict[str, str], file: Path | None) -> str:
    """Compares digests with those of an earlier check, or stores them if there was none; returns a line that says so.

    Finds files that have changed but still decode.

    Args:
        root: the data's folder.
        found: maps a path below the root to its `file_digest`.
        file: the file of stored digests; None for this root's file in the cache.

    Raises:
        DataError: files are missing or have changed.
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
    # A check without coarse labels does not read them, so they are not in `found`.
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
    with named("cannot be written", file, "Name another with --digests."), replacing(file) as stream:
        stream.write(json.dumps(digests, indent=0).encode())
