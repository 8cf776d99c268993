"""Files that are either whole or absent, whenever the process or the machine stops."""

import itertools
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], None]) -> None:
    """Calls `write` on a temporary file beside `path`, then renames it to `path`.

    The file and its folder are synced, so that after a power cut `path` holds the old content or the new, never a part.

    Raises:
        OSError: if the folder cannot be written; the temporary file is removed.
    """
    path = Path(path)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's 0600 would hide results on a shared disk from the rest of a group.
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically."""
    write_atomically(path, lambda file: file.write(text.encode()))


def set_aside(path: Path) -> Path:
    """Renames a damaged file to `NAME.bad`, or `NAME.2.bad` and so on where that is taken; returns the new path."""
    for number in itertools.count(1):
        target = path.with_name(f"{path.name}.bad" if number == 1 else f"{path.name}.{number}.bad")
        if not target.exists():
            return path.rename(target)
    raise AssertionError("itertools.count ends")


def _sync_folder(folder: Path) -> None:
    # Without this a rename may still be lost on power failure. Some network file systems refuse it; the rename stands.
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
