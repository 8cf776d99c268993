"""Trains the points of a sweep, a few at a time, until each is finished, failed or interrupted.

A thread of the pool starts one run as a process, waits for it and ends it when the sweep is asked to stop.
"""

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Self

from cli.sweep.display import SweepDisplay
from cli.sweep.points import PointRun, State
from records import RunFolderError

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL, as in W&B's agent; enough to write a checkpoint."""

POLL = 0.2
"""Seconds between two looks at a running process."""

COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class StopRequest:
    """Counts the signals that ask the sweep to stop, while entered; restores the previous handlers on leaving."""

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


def run_points(
    runs: Sequence[PointRun],
    jobs: int,
    environment: Mapping[str, str],
    stop: StopRequest,
    display: SweepDisplay,
    grace: float = GRACE,
) -> None:
    """Trains `runs`, at most `jobs` at a time, and sets their states, until all ended or `stop` was asked for.

    No process of a run outlives the call, however it ends.

    Args:
        grace: seconds that running processes get to end themselves once `stop` was asked for; a second request ends
            them at once.
    """
    with ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(_train, run, environment, stop, display, grace) for run in runs}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                display.refresh()
        except BaseException:
            # The pool waits for its threads, and these for their processes.
            stop.count = 2
            raise


def _train(
    run: PointRun, environment: Mapping[str, str], stop: StopRequest, display: SweepDisplay, grace: float
) -> None:
    if stop.count:
        return
    try:
        process, log_start = _start(run, environment)
    except OSError as error:
        run.state, run.reason = State.FAILED, f"could not be started: {error}"
    else:
        try:
            run.state = State.RUNNING
            display.started(run)
            _wait(process, stop, grace)
        finally:
            if stop.count or process.poll() is None:
                _kill(process)
        run.state, run.reason = _outcome(run, process.returncode, log_start, stop)
    display.ended(run)


def _start(run: PointRun, environment: Mapping[str, str]) -> tuple[subprocess.Popen, int]:
    """Starts the run's process, its output appended to the run's log; returns it and where its part of the log begins.

    The process leads a session of its own and does not hear the terminal's Ctrl-C: the sweep decides how it ends.
    """
    log = run.folder.log
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        start = output.tell()
        process = subprocess.Popen(
            run.command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
        )
    return process, start


def _wait(process: subprocess.Popen, stop: StopRequest, grace: float) -> None:
    """Returns when the process ended, or when it has to be killed."""
    while process.poll() is None and not stop.count:
        time.sleep(POLL)
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


def _outcome(run: PointRun, status: int, log_start: int, stop: StopRequest) -> tuple[State, str]:
    """The run folder decides, not the exit status: a run that was asked to stop may end with status 0."""
    try:
        finished, problem = run.folder.exists() and run.folder.read_record().finished, "ended before its last epoch"
    except RunFolderError as error:
        finished, problem = False, str(error)
    if finished:
        return State.FINISHED, ""
    if stop.count:
        return State.INTERRUPTED, ""
    if status < 0:
        killed = f"killed by {signal.Signals(-status).name}"
        return State.FAILED, killed + (" (out of memory?)" if -status == signal.SIGKILL else "")
    if status:
        problem = last_words(run.folder.log, log_start) or f"exit status {status}, nothing in the log"
    return State.FAILED, problem


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
