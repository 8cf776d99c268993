"""Creates a folder of drawn sample data atomically; never replaces anything."""

import argparse
import inspect
import json
import tempfile
from collections.abc import Callable
from pathlib import Path

from datamodules.errors import DataError

MARKER = "sample.json"
"""File in the folder that says what was drawn."""


def make_folder(root: Path, expected: dict, write: Callable[[Path], None]) -> Path:
    """Draw the tree unless it exists as expected.

    Draws into a temporary folder beside the root and renames it, so that a killed process leaves no incomplete tree,
    and two processes at once do no harm.

    Args:
        root: the folder to make; returned.
        expected: version and sizes, stored in the marker file.
        write: fills a new folder.

    Raises:
        DataError: the root holds anything else, or drawings of another version or size.
    """
    if _is_there(root, expected):
        return root
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
        fresh = Path(scratch) / "new"
        write(fresh)
        (fresh / MARKER).write_text(json.dumps(expected, indent=2) + "\n")
        try:
            fresh.rename(root)
        except OSError:
            if not _is_there(root, expected):
                raise
    return root


def _is_there(root: Path, expected: dict) -> bool:
    if not root.is_dir() or not any(root.iterdir()):
        return False
    try:
        found = json.loads((root / MARKER).read_text())
    except (OSError, ValueError):
        found = {}
    if not expected.items() <= found.items():
        raise DataError(
            f"holds something else than the sample data {expected}, and is not replaced",
            where=root,
            todo="Remove it, or choose another folder.",
        )
    return True


def command(make: Callable[[Path], Path], default: Path, arguments: list[str] | None = None) -> None:
    """Run `python -m MODULE`, which draws a tree by its function `make`; None takes the process's own arguments."""
    program = f"python -m {inspect.getmodule(make).__spec__.name}"
    parser = argparse.ArgumentParser(program, description=inspect.getdoc(make).splitlines()[0])
    parser.add_argument("--root", type=Path, default=default, help="default: %(default)s")
    try:
        print(f"sample data in {make(parser.parse_args(arguments).root)}")
    except DataError as error:
        raise SystemExit(f"error: {error}") from None
    except OSError as error:
        raise SystemExit(f"error: {error.filename}: {error.strerror}; choose another folder with --root") from None
