"""Runs the points of a sweep, a few at a time, and keeps going until each is finished, failed or interrupted."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cli.sweep.points import PointRun
from cli.sweep.process import RunProcess, StopRequest
from records import RunFolder, RunFolderError
from records.errors import UserError

GRACE = 30.0
"""Seconds between SIGTERM and SIGKILL: as W&B's agent has it; enough to write a checkpoint."""

POLL = 0.2
"""Seconds between two looks at the running processes."""


class State(StrEnum):
    WAITING = "not started"
    RUNNING = "running"
    FINISHED = "finished"
    SKIPPED = "already finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass
class Task:
    """A point, its run folder and how far it is.

    Attributes:
        name: of the run.
        command: that starts it.
        folder: that it writes into, and that its log is in.
        max_epochs: length of the run.
        monitor: the metric shown, in percent.
        state: kept up to date by `run_tasks`.
        reason: why it failed, in one line.
        process: while it runs.
    """

    name: str
    command: tuple[str, ...]
    folder: RunFolder
    max_epochs: int
    monitor: str
    state: State = State.WAITING
    reason: str = ""
    process: RunProcess | None = None


def make_tasks(runs: Iterable[PointRun], where: Path) -> list[Task]:
    """A task for every run, finished ones marked; nothing is started.

    Raises:
        UserError: if a run folder is damaged. It names the sweep file `where` and the point.
    """
    tasks: list[Task] = []
    for run in runs:
        try:
            state = State.SKIPPED if is_finished(run.folder) else State.WAITING
        except RunFolderError as error:
            raise UserError(f"{where}: point {run.point.label}: {error}") from None
        record = run.record
        tasks.append(Task(record.name, run.command, run.folder, record.max_epochs, record.monitor, state))
    return tasks


def is_finished(folder: RunFolder) -> bool:
    """Raises RunFolderError if the folder is damaged."""
    return folder.exists() and folder.read_record().finished


def run_tasks(
    tasks: Sequence[Task],
    jobs: int,
    environment: Mapping[str, str],
    stop: StopRequest,
    show: Callable[[], None] = lambda: None,
    grace: float = GRACE,
) -> None:
    """Runs every waiting task, at most `jobs` at a time, until all ended or `stop` was asked for.

    No process of a task outlives the call, however it ends.

    Args:
        show: called after every look at the processes.
        grace: seconds that running processes get to end themselves once `stop` was asked for; a second request ends
            them at once.
    """
    try:
        while not stop.count and _is_open(tasks):
            _start_some(tasks, jobs, environment)
            _collect(tasks, interrupted=False)
            show()
            time.sleep(POLL)
        _wind_down(tasks, stop, show, grace)
    finally:
        for task in _running(tasks):
            task.process.kill()


def _is_open(tasks: Sequence[Task]) -> bool:
    return any(task.state in (State.WAITING, State.RUNNING) for task in tasks)


def _running(tasks: Sequence[Task]) -> list[Task]:
    return [task for task in tasks if task.state is State.RUNNING]


def _start_some(tasks: Sequence[Task], jobs: int, environment: Mapping[str, str]) -> None:
    free = jobs - len(_running(tasks))
    waiting = [task for task in tasks if task.state is State.WAITING]
    for task in waiting[: max(0, free)]:
        try:
            task.process = RunProcess(task.command, task.folder.log, environment)
            task.state = State.RUNNING
        except OSError as error:
            task.state, task.reason = State.FAILED, f"could not be started: {error}"


def _collect(tasks: Sequence[Task], interrupted: bool) -> None:
    for task in _running(tasks):
        if task.process.poll() is not None:
            _settle(task, interrupted)


def _settle(task: Task, interrupted: bool) -> None:
    """The run folder decides, not the exit status: a run that was told to stop may well end with status 0."""
    try:
        finished = is_finished(task.folder)
        problem = "ended before its last epoch"
    except RunFolderError as error:
        finished, problem = False, str(error)
    if interrupted:
        task.process.kill()
    if finished:
        task.state = State.FINISHED
    elif interrupted:
        task.state = State.INTERRUPTED
    else:
        task.state = State.FAILED
        task.reason = task.process.explain() if task.process.poll() else problem


def _wind_down(tasks: Sequence[Task], stop: StopRequest, show: Callable[[], None], grace: float) -> None:
    for task in _running(tasks):
        task.process.terminate()
    deadline = time.monotonic() + grace
    while _running(tasks) and stop.count < 2 and time.monotonic() < deadline:
        _collect(tasks, interrupted=True)
        show()
        time.sleep(POLL)
    for task in _running(tasks):
        task.process.kill()
    _collect(tasks, interrupted=True)
    show()
