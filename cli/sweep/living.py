"""Runs that a process trains already: those of a sweep that was killed, of an agent, of a `fit` by hand."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from cli.sweep.process import is_trained
from records import RunFolder


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


def _leaders(log: Path) -> Iterator[int]:
    """The processes that lead a session and write into `log`; none where there is no /proc."""
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        pid = int(output.parts[2])
        with contextlib.suppress(OSError):
            if os.path.samefile(output, log) and os.getsid(pid) == pid:
                yield pid
