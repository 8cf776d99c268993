"""A folder of drawn sample data: made whole or not at all, and never in place of anything else."""

import argparse
import hashlib
import inspect
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from datamodules.errors import DataError

MARKER = "sample.json"
"""Says what was drawn; only a folder that holds it is ours to replace."""


def make_folder(root: Path, expected: dict, content: set[str], write: Callable[[Path], None]) -> Path:
    """Draw the tree unless it is there, complete and as expected.

    It is drawn beside the root and renamed, so that a killed run leaves no half of it under that name, and two
    processes at once do no harm.

    Args:
        root: the folder to make, which is returned.
        expected: version and sizes, which its marker must hold to be complete.
        content: names of all entries that it may have besides the marker; DataError where it holds something else.
        write: fills a new folder.
    """
    if is_complete(root, expected):
        return root
    _refuse_foreign(root, content)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
        fresh = Path(scratch) / "new"
        write(fresh)
        (fresh / MARKER).write_text(json.dumps({**expected, "files": digest(fresh)}, indent=2) + "\n")
        if root.exists():
            os.rename(root, Path(scratch) / "old")
        try:
            os.rename(fresh, root)
        except OSError:
            if not is_complete(root, expected):
                raise
    return root


def read_marker(root: Path | str) -> dict:
    """What was noted when the folder was made: version, sizes, and the digest of its files."""
    return json.loads((Path(root) / MARKER).read_text())


def is_complete(root: Path, expected: dict) -> bool:
    """Whether the folder was made as expected."""
    try:
        found = read_marker(root)
    except (OSError, ValueError):
        return False
    return all(found.get(key) == value for key, value in expected.items())


def digest(root: Path | str) -> str:
    """SHA-256 of all images with their paths, in the order of the paths."""
    total = hashlib.sha256()
    images = [path for path in Path(root).rglob("*") if path.suffix in (".png", ".JPEG")]
    for path in sorted(images, key=lambda path: path.as_posix()):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def command(make: Callable[..., Path], files: str, what: str, module: str, arguments: list[str] | None = None) -> None:
    """Run `python -m MODULE`, whose options are the arguments of `make`.

    Args:
        make: draws a tree below its argument `root`; its other arguments are whole numbers, with defaults.
        files: digest of the tree in its default size, with the locked Pillow.
        what: what is drawn, for the message.
        module: name of the module that is run.
        arguments: of the command line; None takes the process's own.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=inspect.getdoc(make).splitlines()[0])
    defaults = {name: option.default for name, option in inspect.signature(make).parameters.items()}
    for name, default in defaults.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=type(default), default=default, help="default: %(default)s"
        )
    options = vars(parser.parse_args(arguments))
    there = (options["root"] / MARKER).is_file()
    try:
        root = make(**options)
    except DataError as error:
        raise SystemExit(f"error: {error}") from None
    sizes = {name: value for name, value in options.items() if name != "root"}
    if all(defaults[name] == value for name, value in sizes.items()) and read_marker(root)["files"] != files:
        print("warning: these files are not those of the locked Pillow; results on them cannot be compared")
    counts = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in sizes.items())
    print(f"sample data {'in' if there else 'drawn into'} {root} ({what}: {counts})")


def _refuse_foreign(root: Path, content: set[str]) -> None:
    if not root.is_dir():
        return
    # The real data have folders of the same names, so in a tree without the marker nothing is ours.
    ours = {MARKER, *content} if (root / MARKER).is_file() else set()
    if foreign := sorted({entry.name for entry in root.iterdir()} - ours):
        raise DataError(
            f"holds {foreign[0]!r}, which is not of the sample data, so it is not replaced",
            where=root,
            todo="Choose another folder.",
        )
