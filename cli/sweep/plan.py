"""`main.py sweep FILE --plan`: shows how far each run of the grid is, and the device hours that the rest will take.

The expected cost of an epoch is the median over the epochs run so far of the same network and padding, else of the same
network. Hours of different devices are never added up; each kind of device has a table of its own.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console

from cli.sweep.points import PointRun
from records import RunFolderError, write_text
from records.atomic import check_writable
from records.errors import UserError
from records.rows import Row
from studies.page.tables import Column, Table
from studies.page.terminal import print_whole, rich_table
from studies.runs.command import say

CPU = "CPU"
STATES = ("finished", "unfinished", "not started", "damaged")

SHOWN = ("run", "state", "epochs_done", "epochs", "folder")
COLUMNS = (
    *("run", "network", "variant", "padding", "seed", "state", "epochs_done", "epochs", "folder"),
    *("device", "unit", "spent", "left", "whole"),
)


def device_of(attempt: dict[str, Any]) -> tuple[str, int] | None:
    """Returns the device of an attempt, such as `NVIDIA A100-SXM4-80GB` or `CPU`, and how many of them it used.

    On a CPU the number is that of cores: processes x threads of each. None if the attempt did not record its device.
    """
    if not {"devices", "accelerator", "processes"} <= attempt.keys():
        return None
    devices, processes = attempt["devices"], attempt["processes"]
    if attempt["accelerator"] == "cpu":
        # On a machine with GPUs, `devices` lists the GPUs even if a run uses none.
        return CPU, processes * (attempt.get("threads") or 1)
    return (str(devices[0]), processes) if devices else None


class PlannedRun:
    """Progress of a run of the grid, read from its folder.

    Attributes:
        record: identity of the run, from the point's settings.
        folder: path of the run folder.
        state: one of STATES.
        problem: message about a damaged file; "" if there is none.
        rows: rows of the epochs so far.
        hours: device to device hours of each epoch; {} if the device was not recorded or changed between attempts.
    """

    def __init__(self, run: PointRun) -> None:
        self.record, self.folder, self.problem = run.record, run.folder.path, run.problem
        self.rows: list[Row] = []
        self.hours: dict[str, list[float]] = {}
        try:
            self.rows = run.folder.read_rows() if run.recorded else []
        except (RunFolderError, OSError) as error:
            self.problem = str(error)
        if self.problem or run.recorded is None:
            self.state = "damaged" if self.problem else "not started"
            return
        self.state = "finished" if run.recorded.finished else "unfinished"
        devices = {device_of(attempt) for attempt in run.recorded.attempts}
        if len(devices) == 1 and (found := devices.pop()):
            device, count = found
            self.hours[device] = [row["seconds"] * count / 3600 for row in self.rows if "seconds" in row]

    @property
    def sources(self) -> tuple[str, str, str]:
        """Names of groups of runs whose epochs cost about the same as this run's, the most similar group first."""
        return self.record.group, self.record.compared_as, self.record.network


class SweepPlan:
    """The runs of a grid, in its order, and their expected costs."""

    def __init__(self, runs: Iterable[PointRun]) -> None:
        self.runs = list(map(PlannedRun, runs))
        self._steps: dict[str, int] = {}
        hours: dict[tuple[str, str], list[float]] = defaultdict(list)
        for run in self.runs:
            for source in dict.fromkeys(run.sources):
                if run.rows:
                    self._steps.setdefault(source, run.rows[0]["step"])
                for device, spent in run.hours.items():
                    hours[device, source] += spent
        self._rates = {key: median(values) for key, values in hours.items() if values}
        self.devices = sorted({device for device, _ in self._rates})

    def epochs(self, run: PlannedRun) -> int | None:
        """Returns the number of epochs of the whole run, None if unknown.

        If `max_steps` ends the run, the steps per epoch are those of its own or of a similar run's first epoch.
        """
        if run.state == "finished":
            return len(run.rows)
        others = (self._steps[source] for source in run.sources if source in self._steps)
        steps = run.rows[0]["step"] if run.rows else next(others, None)
        limits = [run.record.max_epochs] if run.record.max_epochs > 0 else []
        if run.record.max_steps > 0 and steps:
            limits.append(math.ceil(run.record.max_steps / steps))
        return min(limits, default=None)

    def source(self, run: PlannedRun, device: str) -> str | None:
        """Returns the most similar group that ran on `device`, None if there is none."""
        return next((source for source in run.sources if (device, source) in self._rates), None)

    def cost(self, run: PlannedRun, device: str) -> tuple[float, float] | tuple[None, None]:
        """Returns the expected hours on `device` for the rest of a run and for the whole run; None if unknown."""
        source, epochs = self.source(run, device), self.epochs(run)
        if source is None or epochs is None:
            return None, None
        rate = self._rates[device, source]
        return rate * max(0, epochs - len(run.rows)), rate * epochs

    def grid(self, devices: Sequence[str]) -> Table:
        """Makes a table with a row per run and device; only the CSV has the hours."""
        rows: list[tuple[Any, ...]] = []
        for run in self.runs:
            who = [getattr(run.record, name) for name in ("name", "network", "variant", "padding", "seed")]
            far = (*who, run.state, len(run.rows), self.epochs(run), run.folder)
            hours = [(each, _unit(each), sum(run.hours.get(each, ()), 0.0), *self.cost(run, each)) for each in devices]
            rows += [(*far, *each) for each in hours or [[None] * 5]]
        columns = [Column(name, only_csv=name not in SHOWN, words=True) for name in COLUMNS]
        return Table("Runs of the grid", columns, rows)

    def costs(self, device: str) -> Table:
        """Makes a table of the hours spent on `device`, and of those that the rest would take on it."""
        columns = [Column(name) for name in ("network", "padding", "finished", "epochs measured")]
        columns += [Column(name, _hours) for name in ("spent", "left", "whole")]
        rows, starts = [], []
        networks = _grouped(self.runs, lambda run: run.record.compared_as)
        for network, runs in networks.items():
            paddings = _grouped(runs, lambda run: run.record.padding)
            rows += [(network, padding, *self._sums(part, device)) for padding, part in paddings.items()]
            if len(paddings) > 1:
                rows.append((network, "all", *self._sums(runs, device)))
            starts.append(len(rows))
        if len(networks) > 1:
            rows.append(("all", "all", *self._sums(self.runs, device)))
        return Table(f"Expected {_unit(device)} on {device}", columns, rows, starts)

    def _sums(self, runs: Sequence[PlannedRun], device: str) -> tuple[Any, ...]:
        finished = sum(run.state == "finished" for run in runs)
        here = [hours for run in runs for hours in run.hours.get(device, ())]
        source = self.source(runs[0], device)
        measured = f"0, as {source}" if source and not here else str(len(here))
        costs = {run: self.cost(run, device) for run in runs}
        unknown = [run for run, (left, _) in costs.items() if left is None]
        sums = [sum(each for each in column if each is not None) for column in zip(*costs.values(), strict=True)]
        if unknown:
            known = len(unknown) < len(runs)
            sums = [f"{_hours(hours)} + {_no_run_of(unknown)}" if known else _no_run_of(unknown) for hours in sums]
        return f"{finished} of {len(runs)}", measured, sum(here), *sums

    def notes(self) -> list[str]:
        """Returns messages: the number of runs in each state, damaged or uncounted runs, how core hours are counted."""
        counts = Counter(run.state for run in self.runs)
        far = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])
        lines = [f"{len(self.runs)} runs: {far}"]
        lines += [f"damaged, counted as not begun: {run.problem}" for run in self.runs if run.problem]
        lines += [
            f"{run.folder}: not recorded on what it was run, or not the same in every attempt; not counted"
            for run in self.runs
            if run.rows and not run.hours
        ]
        if not self.devices:
            lines.append(f"expected hours: {_no_run_of(self.runs)}")
        elif CPU in self.devices:
            lines.append("core hours: processes x threads of each; processes that load data come on top")
        return lines


def _unit(device: str) -> str:
    return "core hours" if device == CPU else "GPU hours"


def _grouped(runs: Iterable[PlannedRun], key: Callable[[PlannedRun], str]) -> dict[str, list[PlannedRun]]:
    groups: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups


def _no_run_of(runs: Iterable[PlannedRun]) -> str:
    return f"not known (no run of {', '.join(dict.fromkeys(run.record.network for run in runs))} yet)"


def _hours(value: float | str) -> str:
    """Formats hours with few digits; returns a text unchanged."""
    return value if isinstance(value, str) else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def show_plan(console: Console, runs: Sequence[PointRun], file: Path, output: Path | None) -> int:
    """Prints the plan of a sweep `file`, and writes it to `output` as CSV; returns the exit status.

    Raises:
        UserError: if `output` holds something else or cannot be written.
    """
    if output is not None:
        if output.exists() and not _is_plan(output):
            raise UserError(f"{output} is there and is no plan; choose another --output")
        check_writable(output.parent, "choose another --output")
    plan = SweepPlan(runs)
    for table in (plan.grid(plan.devices[:1]), *map(plan.costs, plan.devices)):
        print_whole(console, rich_table(table))
    headline, *notes = plan.notes()
    for line in (f"{file}: {headline}", *notes):
        say(console, line)
    if output is not None:
        write_text(output, plan.grid(plan.devices).csv())
        say(console, f"wrote {output}")
    return 0


def _is_plan(output: Path) -> bool:
    # Recognised by its header, so that --output overwrites an earlier plan but no other file.
    return output.is_file() and output.read_text(errors="replace").partition("\n")[0].strip() == ",".join(COLUMNS)
