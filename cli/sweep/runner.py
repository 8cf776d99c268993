"""Trains the points of a sweep, a few at a time, until each is finished, failed or interrupted.

Each run is a process of its own, with its output in the run's log. If another process already trains a run (of a killed
sweep, an agent, or a `fit` by hand), the sweep waits for that process.
"""

import contextlib
import fcntl
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from rich.text import Text

from cli.sweep.display import SweepDisplay
from cli.sweep.points import PointRun, State
from records import RunFolder, RunFolderError

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL, as in W&B's agent; enough to write a checkpoint."""

POLL = 0.2
"""Seconds between two checks of a running process."""

FLOCK = "hhqqi4x"
"""`struct` format of Linux's `struct flock`: type, whence, start, length, process id."""

BUSY = "another process is training"
"""Part of the message with which training.start refuses a run folder that another process has locked."""

Stop = list[int]
"""The stop signals so far: one stops the runs cleanly, two or more end their processes at once."""


@contextlib.contextmanager
def stop_requests() -> Iterator[Stop]:
    """Collects the signals that ask to stop; restores the former handlers at the end."""
    asked: Stop = []
    # nohup ignores SIGHUP; it stays ignored.
    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    before = {number: signal.signal(number, lambda number, _: asked.append(number)) for number in numbers}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_points(
    runs: Sequence[PointRun], jobs: int, environment: Mapping[str, str], stop: Stop, display: SweepDisplay
) -> None:
    """Trains `runs`, at most `jobs` at a time, and sets their states, until all have ended or `stop` has a signal.

    Runs that another process trains already come first, and count as jobs. No process started here outlives the call,
    however the call ends.
    """
    ordered = sorted(runs, key=lambda run: not is_trained(run.folder))
    with ThreadPoolExecutor(jobs) as pool:
        pending = {pool.submit(train_run, run, environment, stop, display) for run in ordered}
        try:
            while pending:
                done, pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                display.look()
        except BaseException:
            # The pool waits for its threads, and these wait for their processes, which two signals end at once.
            stop += [signal.SIGTERM] * 2
            raise


def train_run(run: PointRun, environment: Mapping[str, str], stop: Stop, display: SweepDisplay) -> None:
    """Trains a run to its end, or until `stop` has a signal, and sets its state.

    If another process trains the run already, or began at the same moment, waits for that process and then goes on with
    the run. The same wait covers a log that only seems locked: a run starting at the same time in this sweep was forked
    with a copy of its file descriptor, and has not closed it yet.
    """
    if stop:
        return
    run.state, problem = State.RUNNING, ""
    while not stop:
        if is_trained(run.folder):
            display.started(run, "waiting for what trains already")
            _wait_for_others(run.folder, stop)
            if stop or _outcome(run, "", stop)[0] is State.FINISHED:
                break
        display.started(run)
        problem = run_logged(run.command, run.folder.log, environment, stop)
        if BUSY not in problem:
            break
        time.sleep(POLL)
    run.state, run.reason = _outcome(run, problem, stop)
    display.ended(run)


def _outcome(run: PointRun, problem: str, stop: Stop) -> tuple[State, str]:
    """Returns state and reason by the run folder, not the exit status: a run that was stopped may end with status 0."""
    unfinished = "ended before its last epoch"
    try:
        if run.folder.exists() and run.folder.read_record().finished:
            return State.FINISHED, ""
    except RunFolderError as error:
        unfinished = str(error)
    return (State.INTERRUPTED, "") if stop else (State.FAILED, problem or unfinished)


def run_logged(command: Sequence[str], log: Path, environment: Mapping[str, str], stop: Stop) -> str:
    """Runs a command to its end or until `stop` has a signal; none of its processes outlives a stop or an error here.

    Args:
        log: log file in the run folder, to which the command's output is appended.

    Returns:
        Why the command failed, in one line; "" for exit status 0.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with open(log, "ab") as output:
            # The processes inherit the lock with their output, so a later sweep sees from the first moment that they
            # are alive. If two sweeps start a run at the same time, the second one fails here.
            fcntl.flock(output, fcntl.LOCK_EX | fcntl.LOCK_NB)
            start = output.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # With buffering, the log would lag behind the running run.
                env={"PYTHONUNBUFFERED": "1", **environment},
                # A session of its own does not get the terminal's Ctrl-C: this program decides how the process ends.
                start_new_session=True,
            )
    except BlockingIOError:
        return f"{BUSY} it"
    except OSError as error:
        return f"could not be started: {error}"

    def lives() -> bool:
        return process.poll() is None

    try:
        while lives() and not stop:
            time.sleep(POLL)
        if stop:
            # SIGTERM to the leader only: it stops its other ranks itself, and would take a data worker that ends first
            # for a crash.
            process.terminate()
            _wait_to_end(lives, stop)
    finally:
        if stop or lives():
            _kill(process.pid)
            process.wait()
    if process.returncode < 0:
        name = signal.Signals(-process.returncode).name
        return f"killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")
    status = process.returncode
    return (last_words(log, start) or f"exit status {status}, nothing in the log") if status else ""


def _wait_for_others(folder: RunFolder, stop: Stop) -> None:
    """Waits for the processes of a run that this program did not start; ends them once `stop` has a signal.

    Ends only those that write into the run's log, as another sweep's do, not those of an agent.
    """
    while is_trained(folder) and not stop:
        time.sleep(POLL)
    if stop:
        leaders = list(_leaders(folder.log))
        for leader in leaders:
            with contextlib.suppress(ProcessLookupError):
                os.kill(leader, signal.SIGTERM)
        _wait_to_end(lambda: any(_leaders(folder.log)), stop)
        for leader in leaders:
            _kill(leader)


def _wait_to_end(lives: Callable[[], bool], stop: Stop) -> None:
    """Waits until processes that got SIGTERM have ended, or must be killed."""
    deadline = time.monotonic() + GRACE
    while lives() and len(stop) < 2 and time.monotonic() < deadline:
        time.sleep(POLL)


def _kill(leader: int) -> None:
    """Sends SIGKILL to all processes of a session, also to those that outlived its leader."""
    # macOS answers EPERM for a group of which only the unreaped leader is left.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def _leaders(log: Path) -> Iterator[int]:
    """Yields the processes that lead a session and write into `log`; none on systems without /proc."""
    for output in Path("/proc").glob("[0-9]*/fd/1"):
        pid = int(output.parts[2])
        with contextlib.suppress(OSError):
            if os.path.samefile(output, log) and os.getsid(pid) == pid:
                yield pid


def is_trained(folder: RunFolder) -> bool:
    """Returns whether a process trains in the run folder; one that a sweep started counts from its first moment on."""
    with contextlib.suppress(OSError), open(folder.log, "rb") as log:
        # `run_logged` locks the log, and a run's processes inherit the lock with their output.
        try:
            fcntl.flock(log, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    if sys.platform != "linux":
        return False
    # F_GETLK tests the lock of training/start.py without taking it: a run that starts now would find it taken and exit.
    question = struct.pack(FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with contextlib.suppress(OSError), open(folder.path / ".lock", "rb") as lock:
        kind, *_ = struct.unpack(FLOCK, fcntl.fcntl(lock, fcntl.F_GETLK, question))
        return kind != fcntl.F_UNLCK
    return False


def last_words(log: Path, start: int = 0, window: int = 65536) -> str:
    """Returns the last line that begins with `error:` in the last `window` bytes after `start`, else the last line.

    Removes colours, and skips lines of W&B's client, which come last however a run ends.
    """
    with open(log, "rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(start, end - window))
        text = Text.from_ansi(file.read().decode(errors="replace")).plain
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("wandb:")]
    errors = [line for line in lines if line.lower().startswith("error:")]
    return (errors or lines or [""])[-1]
