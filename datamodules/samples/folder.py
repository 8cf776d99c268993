"""A folder of drawn sample data: made whole or not at all, and never in place of anything else."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from datamodules.errors import DataError

MARKER = "sample.json"
"""Says what was drawn; only a folder that holds it is ours to replace."""


def make_folder(root: Path, expected: dict, content: set[str], write: Callable[[Path], dict]) -> Path:
    """Draw the tree unless it is there, complete and as expected.

    It is drawn beside the root and renamed, so that a killed run leaves no half of it under that name, and two
    processes at once do no harm.

    Args:
        root: the folder to make.
        expected: version and sizes, which its marker must hold to be complete.
        content: names of all entries that it may have besides the marker.
        write: fills a new folder and returns what else the marker is to say, such as a digest.

    Returns:
        The root.

    Raises:
        DataError: the root holds something else.
    """
    if is_complete(root, expected):
        return root
    _refuse_foreign(root, content)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
        fresh = Path(scratch) / "new"
        more = write(fresh)
        (fresh / MARKER).write_text(json.dumps({**expected, **more}, indent=2) + "\n")
        if root.exists():
            os.rename(root, Path(scratch) / "old")
        try:
            os.rename(fresh, root)
        except OSError:
            if not is_complete(root, expected):
                raise
    return root


def read_marker(root: Path | str) -> dict:
    """What was noted when the folder was made."""
    return json.loads((Path(root) / MARKER).read_text())


def is_complete(root: Path, expected: dict) -> bool:
    """Whether the folder was made as expected."""
    try:
        found = read_marker(root)
    except (OSError, ValueError):
        return False
    return all(found.get(key) == value for key, value in expected.items())


def _refuse_foreign(root: Path, content: set[str]) -> None:
    if not root.is_dir():
        return
    foreign = sorted({entry.name for entry in root.iterdir()} - content - {MARKER})
    # The real data have folders of the same names, so a tree without the marker is not ours.
    if not foreign and not (root / MARKER).is_file():
        foreign = sorted(entry.name for entry in root.iterdir())
    if foreign:
        raise DataError(
            f"holds {foreign[0]!r}, which is not of the sample data, so it is not replaced",
            where=root,
            todo="Choose another folder.",
        )
