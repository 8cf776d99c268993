"""What a sweep shows while it runs: live lines in a terminal, plain lines in a log, a table at the end."""

import time
from collections.abc import Sequence
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.sweep.runner import State, Task
from records import RunFolderError
from records.rows import Row

STYLES = {
    State.WAITING: "dim",
    State.RUNNING: "cyan",
    State.FINISHED: "green",
    State.SKIPPED: "green",
    State.FAILED: "bold red",
    State.INTERRUPTED: "yellow",
}

ENDED = (State.FINISHED, State.SKIPPED, State.FAILED, State.INTERRUPTED)


class Display(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def show(self) -> None: ...


def make_display(console: Console, tasks: Sequence[Task]) -> Display:
    return LiveDisplay(console, tasks) if console.is_terminal else PlainDisplay(console, tasks)


class PlainDisplay:
    """A line when a run starts and one when it ends."""

    def __init__(self, console: Console, tasks: Sequence[Task]) -> None:
        self._console = console
        self._tasks = tasks
        self._shown = {id(task): task.state for task in tasks}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self) -> None:
        for task in self._tasks:
            if self._shown[id(task)] is not task.state:
                # A run that ended between two looks still gets its line of starting, with its log.
                if self._shown[id(task)] is State.WAITING and task.process:
                    self._print(f"started {task.name}, log {task.folder.log}")
                if task.state is not State.RUNNING:
                    self._print(f"{task.state} {task.name}" + (f": {task.reason}" if task.reason else ""))
                self._shown[id(task)] = task.state

    def _print(self, line: str) -> None:
        ended = sum(task.state in ENDED for task in self._tasks)
        self._console.print(f"[{ended} of {len(self._tasks)}] {line}", markup=False, highlight=False, soft_wrap=True)


class LiveDisplay:
    """A line for each running point and a bar for all of them, twice a second."""

    INTERVAL = 0.5

    def __init__(self, console: Console, tasks: Sequence[Task]) -> None:
        self._tasks = tasks
        self._eta = Eta(tasks)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._next = 0.0

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.stop()

    def show(self) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self.INTERVAL
            self._live.update(self._render(), refresh=True)

    def _render(self) -> RenderableType:
        return Group(self._runs(), self._bar())

    def _runs(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(overflow="ellipsis", no_wrap=True)
        for _ in range(3):
            table.add_column(no_wrap=True, justify="right")
        for task in self._tasks:
            if task.state is State.RUNNING:
                rows = read_rows(task)
                elapsed = time.monotonic() - task.process.started
                epoch = f"epoch {len(rows)}/{task.max_epochs}" if rows else "starting"
                table.add_row(Text(task.name, "cyan"), epoch, latest(rows, task.monitor), clock(elapsed))
        return table

    def _bar(self) -> Table:
        ended = sum(task.state in ENDED for task in self._tasks)
        failed = sum(task.state is State.FAILED for task in self._tasks)
        left = self._eta.left(time.monotonic())
        words = [f"{ended} of {len(self._tasks)} runs"]
        words += [f"[red]{failed} failed[/red]"] if failed else []
        words += [f"about {duration(left)} left"] if left else []
        table = Table.grid(padding=(0, 2))
        table.add_row(ProgressBar(total=1.0, completed=self._eta.share(), width=30), ", ".join(words))
        return table


class Eta:
    """Time left, from the epochs done since the start: epochs of all runs count the same."""

    def __init__(self, tasks: Sequence[Task], now: float | None = None) -> None:
        self._tasks = tasks
        self._start = time.monotonic() if now is None else now
        self._done_before = self._done()

    def left(self, now: float) -> float | None:
        """Seconds, or None before the first epoch."""
        done = self._done() - self._done_before
        return (now - self._start) * self._open() / done if done > 0 else None

    def share(self) -> float:
        """Epochs done of all epochs, from 0 to 1."""
        total = sum(task.max_epochs for task in self._tasks)
        return 1 - self._open() / total if total else 1.0

    def _done(self) -> int:
        return sum(len(read_rows(task)) for task in self._tasks if task.state is not State.SKIPPED)

    def _open(self) -> int:
        """Epochs still to come: none of a run that ended, however it ended."""
        going = [task for task in self._tasks if task.state not in ENDED]
        return sum(max(0, task.max_epochs - len(read_rows(task))) for task in going)


def read_rows(task: Task) -> list[Row]:
    """The run's rows so far; none where they cannot be read, for a display must not end a sweep."""
    try:
        return task.folder.read_rows()
    except (RunFolderError, OSError):
        return []


def latest(rows: Sequence[Row], metric: str) -> str:
    value = next((row[metric] for row in reversed(rows) if metric in row), None)
    return "" if value is None else f"{metric} {value:.2f}"


def clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """Rounded up to whole minutes, hours from two hours on."""
    minutes = max(1, -int(-seconds // 60))
    return f"{minutes} min" if minutes < 120 else f"{round(minutes / 60)} h"


def print_outcome(console: Console, tasks: Sequence[Task]) -> None:
    """One line a run, then the failures with their logs."""
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, justify="right")
    table.add_column(no_wrap=True, justify="right")
    for task in tasks:
        rows = read_rows(task)
        epochs = f"{len(rows)}/{task.max_epochs} epochs"
        table.add_row(Text(task.name), Text(task.state, STYLES[task.state]), epochs, latest(rows, task.monitor))
    console.print(table)
    failures = [task for task in tasks if task.state is State.FAILED]
    if failures:
        console.print(f"\n[bold red]{len(failures)} of {len(tasks)} runs failed:[/bold red]")
    for task in failures:
        console.print(f"  {escape(task.name)}: {escape(task.reason)}", highlight=False, soft_wrap=True)
        console.print(f"    log: {escape(str(task.folder.log))}", highlight=False, soft_wrap=True)
