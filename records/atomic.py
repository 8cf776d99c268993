"""Writes files atomically: after a crash of the process or the machine a file is complete or absent."""

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
    """Calls `write` on a temporary file beside `path`, then renames it to `path`; makes the folder if it is missing.

    The file and its folder are synced, so that after a power cut `path` holds all of the old or all of the new content.

    Raises:
        WriteError: if the file cannot be written (a full or read-only disk); the temporary file is removed.
    """
    path = Path(path)
    with writing(path):
        try:
            handle, temporary = _make_temporary(path.parent, path.name)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = _make_temporary(path.parent, path.name)
        try:
            # The rename happens while the file is open, and so locked: `remove_leftovers` deletes unlocked files.
            with os.fdopen(handle, "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                # mkstemp's mode 0600 would keep other users of a shared disk from reading the results.
                os.chmod(temporary, 0o666 & ~_umask())
                os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns an OSError of the code inside it, which writes `path`, into a WriteError that names the file."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        cause: BaseException | None = error
        # torch.save raises a RuntimeError about file positions; the OSError of the disk is in its context.
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__context__
        if cause is None or isinstance(cause, WriteError):
            raise
        raise WriteError(f"{path} cannot be written: {_reason(cause, path)}; earlier files are unchanged") from error


OF_THE_FILE = (None, errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EINVAL)
"""Error numbers that mean a missing or wrong file. All others may be temporary: permissions, a failing disk or server.
"""


@contextlib.contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Turns a possibly temporary OSError of the code inside it, which reads `path`, into a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno in OF_THE_FILE:
            raise
        raise UserError(
            f"{path} cannot be read: {error.strerror}; it stays as it is, start again once it can"
        ) from error


def write_problem(folder: Path, size: int = 0) -> str | None:
    """Returns why no file of `size` bytes can be written into `folder`, which need not exist; None if one can."""
    try:
        # The folder may be made later, so its nearest existing parent is tried.
        there = next(each for each in (folder, *folder.absolute().parents) if each.exists())
        handle, temporary = _make_temporary(there, "check")
        with os.fdopen(handle, "wb") as file:
            # Removed before the bytes are written, so that a kill or a full disk leaves no file behind.
            os.unlink(temporary)
            file.write(bytes(size))
    except OSError as error:
        return _reason(error, folder)
    return None


def check_writable(folder: Path, todo: str) -> None:
    """Raises UserError with the system's reason and the advice `todo` if nothing can be written into `folder`."""
    if problem := write_problem(folder):
        raise UserError(f"{folder} cannot be written: {problem}; {todo}")


def remove_leftovers(*folders: Path) -> None:
    """Deletes temporary files that killed processes left behind; keeps those that a living process is writing."""
    for path in (path for folder in folders for path in folder.glob(".*.tmp")):
        with contextlib.suppress(OSError), open(path, "rb+") as file:  # already deleted, or locked by its writer
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()


def _make_temporary(folder: Path, name: str) -> tuple[int, str]:
    """Creates an empty file and locks it until it is closed; returns its file descriptor and path."""
    while True:
        handle, temporary = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
        with contextlib.suppress(OSError):  # on a file system without locks leftovers are never deleted
            fcntl.lockf(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:
            return handle, temporary
        os.close(handle)  # `remove_leftovers` of another process deleted the file before it was locked


def _reason(error: OSError, path: Path) -> str:
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        with contextlib.suppress(OSError):
            reason += f" ({shutil.disk_usage(path.absolute().parent).free / 1e6:.1f} MB free)"
    return reason


def write_text(path: str | Path, text: str) -> None:
    """Writes `text` as UTF-8 to `path`, atomically; file names in `text` that are not valid UTF-8 keep their bytes."""
    write_atomically(path, lambda file: file.write(text.encode(errors="surrogateescape")))


def set_aside(path: Path) -> Path:
    """Renames a damaged file to `NAME.bad`, or `NAME.2.bad` and so on if that name is taken; returns the new path."""
    return path.rename(free_name(path, "{}.bad", "."))


def free_name(path: Path, pattern: str, separator: str = "-") -> Path:
    """Returns a free path beside `path`: `pattern` filled with its name, or with its name, `separator` and a number."""
    names = itertools.chain([path.name], (f"{path.name}{separator}{number}" for number in itertools.count(2)))
    return next(new for name in names if not os.path.lexists(new := path.with_name(pattern.format(name))))


def _sync_folder(folder: Path) -> None:
    # Without this a power cut may undo the rename. Some network file systems refuse the sync; the rename still counts.
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    # The system has no call that only reads the umask.
    mask = os.umask(0)
    os.umask(mask)
    return mask
