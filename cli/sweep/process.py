"""A run in a process of its own: started with a log, ended politely or at once."""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Self

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class RunProcess:
    """A child process, the leader of its own session, its output appended to `log`.

    In a session of its own it does not hear the terminal's Ctrl-C: the sweep decides when and how it ends.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        """Raises OSError if the log cannot be written or the program not be started."""
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        self.started = time.monotonic()
        with open(log, "ab") as output:
            # Earlier attempts wrote into the same log; a failure is explained from this attempt's part.
            self._log_offset = output.tell()
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(environment),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def poll(self) -> int | None:
        """Exit status, negative for a signal's number, or None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """SIGTERM to the leader alone.

        The leader stops its other ranks itself; a data worker ended before it would look like a crash to it.
        """
        if self._process.poll() is None:
            self._process.terminate()

    def kill(self) -> None:
        """SIGKILL to all of its processes, also those that outlived the leader; then the leader is reaped."""
        # macOS answers EPERM for a group of which only the unreaped leader is left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def explain(self) -> str:
        """How it ended, in one line: what it said itself if it said anything, else its exit status."""
        status = self._process.returncode
        if status is not None and status < 0:
            name = signal.Signals(-status).name
            return f"killed by {name}" + (" (out of memory?)" if -status == signal.SIGKILL else "")
        said = last_words(self._log, self._log_offset)
        return said or f"exit status {status}, nothing in the log"


def last_words(log: Path, offset: int = 0, window: int = 65536) -> str:
    """The last line that begins with `error:` in the last `window` bytes from `offset` on, else the last line.

    Colours are removed, and lines of W&B's client passed over: it has the last word however a run ends.
    """
    with open(log, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(offset, end - window))
        text = COLOUR.sub("", file.read().decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("wandb:")]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or [""])[-1]


class StopRequest:
    """Counts the signals that ask the sweep to end, while entered; the handlers before are put back on leaving."""

    SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def __init__(self) -> None:
        self.first: int | None = None
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
        """128 plus the signal's number, as shells have it; 0 if none came."""
        return 0 if self.first is None else 128 + self.first

    def _note(self, number: int, _: FrameType | None) -> None:
        self.first = self.first or number
        self.count += 1
