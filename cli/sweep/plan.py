"""`main.py sweep FILE --plan`: how far each run of the grid is, and the device hours that the rest will take.

An epoch costs the median of the epochs that were run: of the same network and padding, else of the same network.
Hours of different devices are never added up; each kind of device has a table of its own.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console

from cli.sweep.points import PointRun
from records import RunFolderError, RunRecord, write_text
from records.errors import UserError
from records.rows import Row
from studies.page.tables import Column, Table
from studies.page.terminal import print_whole, rich_table
from studies.runs.command import say

STATES = ("finished", "unfinished", "not started", "damaged")

SHOWN = ("run", "state", "epochs_done", "epochs", "folder")
COLUMNS = (
    *("run", "network", "variant", "padding", "seed", "state", "epochs_done", "epochs", "folder"),
    *("device", "unit", "spent", "left", "whole"),
)


class Hardware(NamedTuple):
    """A device such as `NVIDIA A100-SXM4-80GB` or `CPU`; how many, of a CPU its cores: processes x threads of each."""

    name: str
    unit: str
    count: int


def hardware_of(attempt: dict[str, Any]) -> Hardware | None:
    """The device that an attempt of a run computed on; None if it was not recorded."""
    if not {"devices", "accelerator", "processes"} <= attempt.keys():
        return None
    devices, processes = attempt["devices"], attempt["processes"]
    if attempt["accelerator"] == "cpu":
        # `devices` of a machine with GPUs lists these, also for a run that uses none.
        return Hardware("CPU", "core hours", processes * (attempt.get("threads") or 1))
    return Hardware(str(devices[0]), "GPU hours", processes) if devices else None


@dataclass(frozen=True)
class PlannedRun:
    """Progress of a run of the grid.

    Attributes:
        record: identity of the run, from the point's settings.
        folder: of the run.
        state: one of STATES.
        problem: what is damaged.
        rows: its epochs so far.
        hardware: of all its attempts; None if that was not recorded or changed between them.
        hours: device hours of each epoch; empty where the hardware is not known.
    """

    record: RunRecord
    folder: Path
    state: str
    problem: str = ""
    rows: Sequence[Row] = ()
    hardware: Hardware | None = None
    hours: Sequence[float] = ()

    def hours_on(self, device: str) -> Sequence[float]:
        return self.hours if self.hardware and self.hardware.name == device else ()

    @property
    def sources(self) -> tuple[str, str, str]:
        """Names of the groups whose epochs cost what this run's do, the closest first."""
        return self.record.group, self.record.compared_as, self.record.network


def planned(run: PointRun) -> PlannedRun:
    """Reads the run's folder; a run whose files cannot be read is damaged."""
    who = (run.record, run.folder.path)
    if run.problem or run.recorded is None:
        return PlannedRun(*who, "damaged" if run.problem else "not started", run.problem)
    try:
        rows = run.folder.read_rows()
    except (RunFolderError, OSError) as error:
        return PlannedRun(*who, "damaged", str(error))
    devices = {hardware_of(attempt) for attempt in run.recorded.attempts}
    hardware = devices.pop() if len(devices) == 1 else None
    hours = [row["seconds"] * hardware.count / 3600 for row in rows if "seconds" in row] if hardware else ()
    return PlannedRun(*who, "finished" if run.recorded.finished else "unfinished", "", rows, hardware, hours)


class SweepPlan:
    """The runs of a grid, in its order, and their expected costs."""

    def __init__(self, runs: Iterable[PointRun]) -> None:
        self.runs = [planned(run) for run in runs]
        self.units = {run.hardware.name: run.hardware.unit for run in self.runs if run.hours}
        self.devices = sorted(self.units)
        self._steps: dict[str, int] = {}
        hours: dict[tuple[str, str], list[float]] = defaultdict(list)
        for run in self.runs:
            for source in dict.fromkeys(run.sources):
                if run.rows:
                    self._steps.setdefault(source, run.rows[0]["step"])
                if run.hours:
                    hours[run.hardware.name, source] += run.hours
        self._rates = {key: median(values) for key, values in hours.items()}

    def epochs(self, run: PlannedRun) -> int | None:
        """Epochs of the whole run; where steps end it, as many as its own or other runs' epochs have steps."""
        if run.state == "finished":
            return len(run.rows)
        others = (self._steps[source] for source in run.sources if source in self._steps)
        steps = run.rows[0]["step"] if run.rows else next(others, None)
        limits = [run.record.max_epochs] if run.record.max_epochs > 0 else []
        if run.record.max_steps > 0 and steps:
            limits.append(math.ceil(run.record.max_steps / steps))
        return min(limits, default=None)

    def source(self, run: PlannedRun, device: str) -> str | None:
        """The closest group that ran on `device`."""
        return next((source for source in run.sources if (device, source) in self._rates), None)

    def cost(self, run: PlannedRun, device: str) -> tuple[float, float] | None:
        """Expected hours on `device` of what is left of a run and of the whole run; None where they are not known."""
        source, epochs = self.source(run, device), self.epochs(run)
        if source is None or epochs is None:
            return None
        rate = self._rates[device, source]
        return rate * max(0, epochs - len(run.rows)), rate * epochs

    def headline(self) -> str:
        counts = Counter(run.state for run in self.runs)
        return f"{len(self.runs)} runs: " + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])

    def grid(self, devices: Sequence[str]) -> Table:
        """A row for each run and device; hours in the CSV alone."""
        rows = [self._row(run, device) for run in self.runs for device in devices or [""]]
        columns = [Column(name, only_csv=name not in SHOWN) for name in COLUMNS]
        return Table("Runs of the grid", columns, rows, words=True)

    def _row(self, run: PlannedRun, device: str) -> tuple[Any, ...]:
        record = run.record
        who = (record.name, record.network, record.variant, record.padding, record.seed)
        far = (run.state, len(run.rows), self.epochs(run), run.folder)
        if not device:
            return (*who, *far, *[None] * 5)
        spent = sum(run.hours_on(device), 0.0)
        return (*who, *far, device, self.units[device], spent, *(self.cost(run, device) or (None, None)))

    def costs(self, device: str) -> Table:
        """What is done on `device`, and what the rest would cost on it."""
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
        return Table(f"Expected {self.units[device]} on {device}", columns, rows, starts)

    def _sums(self, runs: Sequence[PlannedRun], device: str) -> tuple[Any, ...]:
        finished = sum(run.state == "finished" for run in runs)
        here = [hours for run in runs for hours in run.hours_on(device)]
        source = self.source(runs[0], device)
        measured = f"0, as {source}" if source and not here else str(len(here))
        costs = [self.cost(run, device) for run in runs]
        known = [cost for cost in costs if cost is not None]
        left, whole = (sum(cost[which] for cost in known) for which in (0, 1))
        if len(known) < len(runs):
            unknown = _no_run_of(run for run, cost in zip(runs, costs, strict=True) if cost is None)
            left, whole = (f"{_hours(hours)} + {unknown}" if known else unknown for hours in (left, whole))
        return f"{finished} of {len(runs)}", measured, sum(here), left, whole

    def notes(self) -> list[str]:
        """Sentences on damaged and uncounted runs, and on how core hours are counted."""
        lines = [f"damaged, counted as not begun: {run.problem}" for run in self.runs if run.problem]
        lines += [
            f"{run.folder}: not recorded on what it was run, or not the same in every attempt; not counted"
            for run in self.runs
            if run.rows and run.hardware is None
        ]
        if not self.devices:
            lines.append(f"expected hours: {_no_run_of(self.runs)}")
        elif "core hours" in self.units.values():
            lines.append("core hours: processes x threads of each; processes that load data come on top")
        return lines


def _grouped(runs: Iterable[PlannedRun], key: Callable[[PlannedRun], str]) -> dict[str, list[PlannedRun]]:
    groups: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups


def _no_run_of(runs: Iterable[PlannedRun]) -> str:
    return f"not known (no run of {', '.join(dict.fromkeys(run.record.network for run in runs))} yet)"


def _hours(value: float | str) -> str:
    """Hours with few digits; a text unchanged."""
    return value if isinstance(value, str) else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def show_plan(console: Console, runs: Sequence[PointRun], file: Path, output: Path | None) -> int:
    """Prints the plan of a sweep `file`, and writes it to `output` as CSV; returns the exit status.

    Raises:
        UserError: if `output` holds something else or cannot be written.
    """
    if output is not None and output.exists() and not _is_plan(output):
        raise UserError(f"{output} is there and is no plan; choose another --output")
    plan = SweepPlan(runs)
    for table in (plan.grid(plan.devices[:1]), *map(plan.costs, plan.devices)):
        print_whole(console, rich_table(table))
    for line in (f"{file}: {plan.headline()}", *plan.notes()):
        say(console, line)
    if output is not None:
        try:
            write_text(output, plan.grid(plan.devices).csv())
        except OSError as error:
            raise UserError(f"{output} cannot be written: {error.strerror}; choose another --output") from None
        say(console, f"wrote {output}")
    return 0


def _is_plan(output: Path) -> bool:
    return output.is_file() and output.read_text(errors="replace").partition("\n")[0].strip() == ",".join(COLUMNS)
