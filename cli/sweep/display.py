"""Shows a sweep: a line when a run starts or ends, in a terminal bars of the epochs below, and a table at the end."""

import math
from collections.abc import Sequence
from threading import Lock
from typing import Self

from rich import progress
from rich.console import Console

from cli.sweep.points import PointRun, State
from records.rows import Row
from studies.runs.command import say


class SweepDisplay:
    """Lines for what happened; in a terminal a bar for each running run and one for the epochs of the whole sweep.

    The threads of the runs call `started` and `ended`, the sweep calls `refresh` in between.

    Args:
        runs: of the whole sweep, also those that were finished before.
    """

    def __init__(self, console: Console, runs: Sequence[PointRun]) -> None:
        self._console, self._runs = console, runs
        self._lock = Lock()
        self._bars = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(20),
            progress.MofNCompleteColumn(),
            progress.TextColumn("epochs {task.fields[metric]}", markup=False),
            progress.TimeElapsedColumn(),
            progress.TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
            # Rich estimates the time left from the last 30 s, in which most runs finish no epoch.
            speed_estimate_period=math.inf,
        )
        self._ended = sum(run.state is State.SKIPPED for run in runs)
        self._all = self._add("", *map(sum, zip(*map(epochs, runs), strict=True)))
        self._running: dict[PointRun, progress.Task] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def started(self, run: PointRun, how: str = "started") -> None:
        with self._lock:
            if run not in self._running:
                self._running[run] = self._add(run.record.name, *epochs(run))
            self._say(f"{how} {run.record.name}, log {run.folder.log}")

    def ended(self, run: PointRun) -> None:
        with self._lock:
            self._ended += 1
            if (bar := self._running.pop(run, None)) is not None:
                self._show(run, bar)
                # Not by `update`, which would forget how fast the epochs before were.
                self._all.total -= max(0, bar.remaining)
                self._bars.remove_task(bar.id)
            self._say(f"{run.state} {run.record.name}" + (f": {run.reason}" if run.reason else ""))

    def refresh(self) -> None:
        """Reads the epochs of the running runs."""
        if self._console.is_terminal:
            with self._lock:
                for run, bar in self._running.items():
                    self._show(run, bar)

    def _add(self, name: str, done: int, total: int) -> progress.Task:
        self._bars.add_task(name, completed=done, total=total, metric="")
        return self._bars.tasks[-1]

    def _show(self, run: PointRun, bar: progress.Task) -> None:
        rows = run.rows()
        failed = sum(run.state is State.FAILED for run in self._runs)
        text = f"{self._ended} of {len(self._runs)} runs" + (f", {failed} failed" if failed else "")
        self._bars.update(self._all.id, advance=len(rows) - bar.completed, description=text)
        self._bars.update(bar.id, completed=len(rows), metric=latest(rows, run.record.monitor))

    def _say(self, line: str) -> None:
        say(self._console, f"[{self._ended} of {len(self._runs)}] {line}")


def epochs(run: PointRun) -> tuple[int, int]:
    """Epochs done and epochs of the whole run; of a finished run as many as it had."""
    done = len(run.rows()) if run.recorded else 0
    return done, done if run.state is State.SKIPPED else max(done, run.record.max_epochs)


def latest(rows: Sequence[Row], metric: str) -> str:
    value = next((row[metric] for row in reversed(rows) if metric in row), None)
    return "" if value is None else f"{metric} {value:.2f}"


def print_outcome(console: Console, runs: Sequence[PointRun]) -> None:
    """A row a run, then the failures with their logs."""
    # Imported late: they import scipy, which --help need not wait for.
    from studies.page.tables import Column, Table
    from studies.page.terminal import print_whole, rich_table

    columns = [Column(name) for name in ("run", "state", "epochs", "metric")]
    rows = []
    for run in runs:
        done = run.rows()
        metric = latest(done, run.record.monitor)
        rows.append((run.record.name, run.state, f"{len(done)} of {run.record.max_epochs}", metric))
    print_whole(console, rich_table(Table("", columns, rows, words=True)))
    failures = [run for run in runs if run.state is State.FAILED]
    if failures:
        say(console, f"\n{len(failures)} of {len(runs)} runs failed:")
    for run in failures:
        say(console, f"  {run.record.name}: {run.reason}\n    log: {run.folder.log}")
