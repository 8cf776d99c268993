"""Files that are either whole or absent, whenever the process or the machine stops."""

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from records.errors import UserError, WriteError


def write_atomically(path: str | Path, write: Callable[[IO[bytes]], None]) -> None:
    """Calls `write` on a temporary file beside `path`, then renames it to `path`; makes the folder if need be.

    The file and its folder are synced, so that after a power cut `path` holds the old content or the new, never a part.

    Raises:
        WriteError: if it cannot be written (a full or read-only disk); the temporary file is removed.
    """
    path = Path(path)
    with writing(path):
        try:
            handle, temporary = _make_temporary(path.parent, path.name)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = _make_temporary(path.parent, path.name)
        try:
            # The file stays open, and so locked, until it has its name.
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


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Around what writes `path`: an error of the system becomes a WriteError that names the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause: BaseException | None = error
        # torch's writer of zip files puts a RuntimeError about positions in the place of the error of the file.
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is None or isinstance(cause, WriteError):
            raise
        raise WriteError(f"{path} cannot be written: {_reason(cause, path)}; earlier files are unchanged") from error


OF_THE_FILE = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)
"""Errors that lie in what is at a path. All others may pass: a missing right, a failing disk, a server that is away."""


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Around what reads `path`: an error that does not lie in the file becomes a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno in OF_THE_FILE:
            raise
        raise UserError(
            f"{path} cannot be read: {error.strerror}; it stays as it is, start again once it can"
        ) from error


def write_problem(folder: Path, size: int = 0) -> str | None:
    """Why no file of `size` bytes can be written into `folder`, which may be still to be made; None if one can."""
    try:
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        handle, temporary = _make_temporary(there, "check")
        with os.fdopen(handle, "wb") as file:
            os.unlink(temporary)
            file.write(bytes(size))
    except OSError as error:
        return _reason(error, folder)
    return None


def check_writable(folder: Path, todo: str) -> None:
    """Raises UserError, before any work, if nothing can be written into `folder`: it, the system's reason, `todo`."""
    if problem := write_problem(folder):
        raise UserError(f"{folder} cannot be written: {problem}; {todo}")


def remove_leftovers(*folders: Path) -> None:
    """Deletes the temporary files of writes that a kill cut off, and none that a living process writes."""
    for path in (path for folder in folders for path in folder.glob(".*.tmp")):
        with contextlib.suppress(OSError), open(path, "rb+") as file:  # not there any more, or locked by its writer
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _make_temporary(folder: Path, name: str) -> tuple[int, str]:
    """An empty file, locked for as long as it is open."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
        with contextlib.suppress(OSError):  # a file system without locks: its leftovers stay
            fcntl.lockf(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, temporary
        os.close(handle)  # `remove_leftovers` of another process came before the lock


def _reason(error: OSError, path: Path) -> str:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        with contextlib.suppress(OSError):
            reason += f" ({shutil.disk_usage(path.absolute().parent).free / 1e6:.1f} MB free)"
    return reason


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically; names of files that are no UTF-8 keep their bytes."""
    write_atomically(path, lambda file: file.write(text.encode(errors="surrogateescape")))


def set_aside(path: Path) -> Path:
    """Renames a damaged file to `NAME.bad`, or `NAME.2.bad` and so on where that is taken; returns the new path."""
    return path.rename(free_name(path, "{}.bad", "."))


def free_name(path: Path, pattern: str, separator: str = "-") -> Path:
    """A path beside `path` that is not taken: `pattern` of its name, or of its name with `separator` and a number."""
    names = itertools.chain([path.name], (f"{path.name}{separator}{number}" for number in itertools.count(2)))
    return next(new for name in names if not os.path.lexists(new := path.with_name(pattern.format(name))))


def _sync_folder(folder: Path) -> None:
    # Without this a rename may still be lost on power failure. Some network file systems refuse it; the rename stands.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
