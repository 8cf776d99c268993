"""Shows a sweep: a line when a run starts or ends, in a terminal bars of epochs below, and a table at the end."""

import math
from collections.abc import Sequence

from rich import progress
from rich.console import Console

from cli.sweep.points import PointRun, State
from records.rows import Row
from studies.runs.command import say


class SweepDisplay(progress.Progress):
    """Prints events as lines; in a terminal also shows a bar for each running run, and one for the whole sweep.

    Any thread may call `started` and `ended`; only the thread that made the object may call `look`.

    Args:
        runs: all runs of the sweep, also those that were finished before.
    """

    def __init__(self, console: Console, runs: Sequence[PointRun]) -> None:
        super().__init__(
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
        self._runs, self._bars = runs, dict[PointRun, progress.Task]()
        sizes = {run: epochs(run) for run in runs}
        self._all = self._add("", *map(sum, zip(*sizes.values(), strict=True)))
        self._open = {run: size for run, size in sizes.items() if run.state is State.WAITING}

    def started(self, run: PointRun, how: str = "started") -> None:
        self._say(f"{how} {run.record.name}, log {run.folder.log}")

    def ended(self, run: PointRun) -> None:
        self._say(f"{run.state} {run.record.name}" + (f": {run.reason}" if run.reason else ""))

    def look(self) -> None:
        """Updates the bars of the runs that are running or have ended since the last call."""
        if self.disable:
            return
        failed = sum(run.state is State.FAILED for run in self._runs)
        text = f"{self._count()} of {len(self._runs)} runs" + (f", {failed} failed" if failed else "")
        self.update(self._all.id, description=text)
        for run, size in [each for each in self._open.items() if each[0].state is not State.WAITING]:
            bar = self._bars.get(run) or self._bars.setdefault(run, self._add(run.record.name, *size))
            ended, rows = run.state is not State.RUNNING, run.rows()
            self.update(self._all.id, advance=len(rows) - bar.completed)
            self.update(bar.id, completed=len(rows), metric=latest(rows, run.record.monitor))
            if ended:
                # Not by `update`: with a new total it forgets the speed of earlier epochs.
                self._all.total -= max(0, bar.remaining)
                self.remove_task(bar.id)
                del self._open[run], self._bars[run]

    def _add(self, name: str, done: int, total: int) -> progress.Task:
        self.add_task(name, completed=done, total=total, metric="")
        return self.tasks[-1]

    def _count(self) -> int:
        return sum(run.state not in (State.WAITING, State.RUNNING) for run in self._runs)

    def _say(self, line: str) -> None:
        say(self.console, f"[{self._count()} of {len(self._runs)}] {line}")


def epochs(run: PointRun) -> tuple[int, int]:
    """Returns the numbers of epochs done and of all epochs of a run; for a finished run both are equal."""
    done = len(run.rows()) if run.recorded else 0
    return done, done if run.state is State.SKIPPED else max(done, run.record.max_epochs)


def latest(rows: Sequence[Row], metric: str) -> str:
    """Returns the last value of `metric` as text, such as `val/acc1 75.20`; "" if no row has one."""
    value = next((row[metric] for row in reversed(rows) if metric in row), None)
    return "" if value is None else f"{metric} {value:.2f}"


def print_outcome(console: Console, runs: Sequence[PointRun]) -> None:
    """Prints a table with a row per run, then the failures with their logs."""
    # Imported late, since these import scipy, which --help need not wait for.
    from studies.page.tables import Column, Table
    from studies.page.terminal import print_whole, rich_table

    columns, rows = [Column(name, words=True) for name in ("run", "state", "epochs", "metric")], []
    for run in runs:
        done, record = run.rows(), run.record
        far = f"{len(done)} of {record.max_epochs}"
        rows.append((record.name, run.state, far, latest(done, record.monitor)))
    print_whole(console, rich_table(Table("", columns, rows)))
    failures = [run for run in runs if run.state is State.FAILED]
    if failures:
        say(console, f"\n{len(failures)} of {len(runs)} runs failed:")
    for run in failures:
        say(console, f"  {run.record.name}: {run.reason}\n    log: {run.folder.log}")
