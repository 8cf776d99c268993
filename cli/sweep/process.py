"""A run's process with its output in the run's log, and the signals that end it before it is done."""

import contextlib
import fcntl
import os
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

from records import RunFolder


class Process(Protocol):
    """What is waited for: a `Popen`, or a run that somebody else started."""

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...


POLL = 0.2
"""Seconds between two looks at a running process."""

FLOCK = "hhqqi4x"
"""Linux's `struct flock`: type, whence, start, length, process."""

BUSY = "another process is training"
"""How training.start refuses a run folder that another process has locked."""

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class StopRequest:
    """Counts the signals that ask to stop, while entered; restores the previous handlers on leaving."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.first = 0
        self.count = 0

    def __enter__(self) -> Self:
        # Under nohup a hang-up is ignored, and stays so.
        chosen = [number for number in self.SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
        self._before = {number: signal.signal(number, self._note) for number in chosen}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def exit_status(self) -> int:
        """128 plus the number of the first signal, as shells have it."""
        return 128 + self.first

    def _note(self, number: int, _: object) -> None:
        self.first = self.first or number
        self.count += 1


def run_logged(
    command: Sequence[str], log: Path, environment: Mapping[str, str], stop: StopRequest, grace: float
) -> str:
    """Runs a command to its end or until `stop` was asked for; no process of it outlives a stop or an error here.

    A run that another process began to train within the same instant is waited for, never ended, and goes on then.

    Args:
        log: in the run's folder; the command's output is appended.
        grace: seconds from SIGTERM to SIGKILL once `stop` was asked for; a second request kills at once.

    Returns:
        Why it failed, in one line; "" for exit status 0.
    """
    folder = RunFolder(log.parent)
    while True:
        problem = _run_once(command, log, environment, stop, grace)
        if BUSY not in problem or not is_trained(folder):
            return problem
        print(f"waiting for another process, which is training {folder.path.name} already", flush=True)
        while is_trained(folder):
            if stop.count:
                return ""
            time.sleep(POLL)


def _run_once(
    command: Sequence[str], log: Path, environment: Mapping[str, str], stop: StopRequest, grace: float
) -> str:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as output:
            # The processes inherit the lock with their output: a later sweep sees from their first instant that they
            # live. Of two sweeps that start a run at once the second one fails here.
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            start = output.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Else a log that is read while the run goes on lags behind by a buffer.
                env={"PYTHONUNBUFFERED": "1", **environment},
                # A session of its own does not hear the terminal's Ctrl-C: this program decides how the process ends.
                start_new_session=True,
            )
    except BlockingIOError:
        return f"{BUSY} it"
    except OSError as error:
        return f"could not be started: {error}"
    try:
        wait_for(process, stop, grace)
    finally:
        if stop.count or process.poll() is None:
            _kill(process)
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    status = process.returncode
    return (last_words(log, start) or f"exit status {status}, nothing in the log") if status else ""


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


def wait_for(process: Process, stop: StopRequest, grace: float) -> None:
    """Returns when the process ended, or when it has to be killed."""
    while process.poll() is None and not stop.count:
        time.sleep(POLL)
    if not stop.count:
        return
    # To the leader alone: it stops its other ranks itself, and a data worker that ends first looks like a crash to it.
    process.terminate()
    deadline = time.monotonic() + grace
    while process.poll() is None and stop.count < 2 and time.monotonic() < deadline:
        time.sleep(POLL)


def _kill(process: subprocess.Popen) -> None:
    """SIGKILL to all processes of the session, also those that outlived the leader."""
    # macOS answers EPERM for a group of which only the unreaped leader is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def last_words(log: Path, start: int = 0, window: int = 65536) -> str:
    """The last line that begins with `error:` in the last `window` bytes from `start` on, else the last line.

    Removes colours, and passes over the lines of W&B's client, which come last however a run ends.
    """
    with open(log, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - window))
        text = COLOUR.sub("", file.read().decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("wandb:")]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or [""])[-1]
