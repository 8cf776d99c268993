"""Runs that a process trains already: those of a sweep that was killed, of an agent, of a `fit` by hand."""

import contextlib
import fcntl
import os
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from records import RunFolder

FLOCK = "hhqqi4x"
"""Linux's `struct flock`: type, whence, start, length, process."""


class LivingRun:
    """The processes of a run that this program did not start, as a `Popen` that can be waited for and ended.

    Only processes that write into the run's log, as an earlier sweep's do, are ended: an agent's are its own to end.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._asked: list[int] | None = None

    def poll(self) -> int | None:
        """None while it lives; once it was asked to end, while a process that was asked lives."""
        lives = is_trained(self.folder) if self._asked is None else any(_leaders(self.folder.log))
        return None if lives else 0

    def terminate(self) -> None:
        self._asked = list(_leaders(self.folder.log))
        for leader in self._asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to every process of the sessions whose leaders `terminate` asked."""
        for leader in self._asked or ():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(leader, signal.SIGKILL)


def is_trained(folder: RunFolder) -> bool:
    """Whether a process trains in the run folder; one that a sweep started counts from its first instant on."""
    return _is_logged_to(folder.log) or _is_locked(folder.path / ".lock")


def _is_logged_to(log: Path) -> bool:
    # `run_logged` locks the log, and a run's processes inherit the lock with their output.
    try:
        with open(log, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _is_locked(lock: Path) -> bool:
    """Asks for the lock of training/start.py without taking it, which could make a run that starts now give up."""
    if sys.platform != "linux" or not lock.is_file():
        return False
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    try:
        with open(lock, "rb") as file:
            kind, *_ = struct.unpack(FLOCK, fcntl.fcntl(file, fcntl.F_GETLK, question))
    except OSError:
        return False
    return kind != fcntl.F_UNLCK


def _leaders(log: Path) -> Iterator[int]:
    """The processes that lead a session and write into `log`; none where there is no /proc."""
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        pid = int(output.parts[2])
        with contextlib.suppress(OSError):
            if os.path.samefile(output, log) and os.getsid(pid) == pid:
                yield pid
