"""`main.py sweep FILE --plan`: how far each run of the grid is, and the device hours that the rest will take.

An epoch costs the median of the epochs that were run: of the same network and padding, else of the same network.
Hours of different devices are never added up; each kind of device has a table of its own.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from rich.console import Console

from cli.sweep.points import PointRun
from records import RunFolderError, RunRecord, write_text
from records.errors import UserError
from records.rows import Row
from studies.page.tables import Column, Table
from studies.runs.command import print_whole, say

STATES = ("finished", "unfinished", "not started", "damaged")

DETAILS = (
    *("run", "network", "variant", "padding", "seed", "state", "epochs_done", "epochs", "folder"),
    *("device", "unit", "spent", "left", "whole"),
)


class Hardware(NamedTuple):
    """What a run computed on.

    Attributes:
        name: of the device, such as `NVIDIA A100-SXM4-80GB`, or `CPU`.
        unit: of its hours: `GPU hours`, or `core hours` of a CPU.
        count: GPUs, or cores of a CPU: processes times the threads of each.
    """

    name: str
    unit: str
    count: int


def hardware_of(attempts: Iterable[dict[str, Any]]) -> Hardware | None:
    """What all attempts at a run computed on; None if one did not record it or they differ."""
    found = {_hardware(attempt) for attempt in attempts}
    return found.pop() if len(found) == 1 else None


def _hardware(attempt: dict[str, Any]) -> Hardware | None:
    try:
        devices, accelerator, processes = (attempt[key] for key in ("devices", "accelerator", "processes"))
    except KeyError:
        return None
    if accelerator == "cpu":
        # `devices` of a machine with GPUs lists these, also for a run that uses none.
        return Hardware("CPU", "core hours", processes * (attempt.get("threads") or 1))
    return Hardware(str(devices[0]), "GPU hours", processes) if devices else None


@dataclass
class PlannedRun:
    """How far a run of the grid is.

    Attributes:
        record: who the run is, from the point's settings.
        folder: of the run.
        state: one of STATES.
        rows: its epochs so far.
        hardware: of its epochs; None if there are none, it was not recorded, or it changed between attempts.
        problem: what is damaged.
    """

    record: RunRecord
    folder: Path
    state: str
    rows: list[Row] = field(default_factory=list)
    hardware: Hardware | None = None
    problem: str = ""

    @cached_property
    def hours(self) -> list[float]:
        """Device hours of each epoch; none where the hardware is not known."""
        count = self.hardware.count if self.hardware else 0
        return [row["seconds"] * count / 3600 for row in self.rows if count and "seconds" in row]

    def ran_on(self, device: str) -> bool:
        return self.hardware is not None and self.hardware.name == device


def planned(run: PointRun) -> PlannedRun:
    """What the run's folder says; what cannot be read makes it damaged."""
    who = (run.record, run.folder.path)
    if run.problem or run.recorded is None:
        return PlannedRun(*who, "damaged" if run.problem else "not started", problem=run.problem)
    try:
        rows = run.folder.read_rows()
    except (RunFolderError, OSError) as error:
        return PlannedRun(*who, "damaged", problem=str(error))
    state = "finished" if run.recorded.finished else "unfinished"
    return PlannedRun(*who, state, rows, hardware_of(run.recorded.attempts) if rows else None)


class Rate(NamedTuple):
    """The cost of an epoch.

    Attributes:
        hours: device hours of the median epoch.
        steps: optimiser steps of an epoch.
        source: the runs that were measured: `resnet50-partial` or, where there are none of that scheme, `resnet50`.
    """

    hours: float
    steps: int
    source: str


class SweepPlan:
    """The runs of a grid and their expected costs, in the order of the grid."""

    def __init__(self, runs: Iterable[PointRun]) -> None:
        self.runs = [planned(run) for run in runs]
        measured: dict[tuple[str, str], list[PlannedRun]] = defaultdict(list)
        for run in self.runs:
            if run.hours:
                for source in _sources(run.record):
                    measured[run.hardware.name, source].append(run)
        self._rates = {
            (device, source): Rate(median(h for run in runs for h in run.hours), runs[0].rows[0]["step"], source)
            for (device, source), runs in measured.items()
        }
        self.units = {run.hardware.name: run.hardware.unit for run in self.runs if run.hours}
        self.devices = sorted(self.units)

    def rate(self, record: RunRecord, device: str) -> Rate | None:
        """From runs of the same network, variant and scheme, else of the network and variant with any scheme, else of
        the network; None where `device` ran none of it."""
        return next((rate for source in _sources(record) if (rate := self._rates.get((device, source)))), None)

    def epochs(self, run: PlannedRun, device: str | None = None) -> int | None:
        """Epochs of the whole run; where steps end it, as many as runs on `device`, or else on any, needed for them."""
        if run.state == "finished":
            return len(run.rows)
        rates = [self.rate(run.record, name) for name in ([device] if device else self.devices)]
        steps = run.rows[0]["step"] if run.rows else next((rate.steps for rate in rates if rate), None)
        limits = [run.record.max_epochs] if run.record.max_epochs > 0 else []
        if run.record.max_steps > 0 and steps:
            limits.append(math.ceil(run.record.max_steps / steps))
        return min(limits, default=None)

    def cost(self, run: PlannedRun, device: str) -> tuple[float, float] | None:
        """Expected hours on `device` of what is left of a run and of the whole run; None where they are not known."""
        rate, epochs = self.rate(run.record, device), self.epochs(run, device)
        if rate is None or epochs is None:
            return None
        return rate.hours * max(0, epochs - len(run.rows)), rate.hours * epochs

    def headline(self) -> str:
        counts = Counter(run.state for run in self.runs)
        return f"{len(self.runs)} runs: " + ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state])

    def grid(self) -> Table:
        """A row a run."""
        columns = [Column(name) for name in ("run", "state", "epochs", "folder")]
        rows = [(run.record.name, run.state, self._done(run), run.folder) for run in self.runs]
        return Table("Runs of the grid", columns, rows)

    def _done(self, run: PlannedRun) -> str:
        epochs = self.epochs(run)
        return f"{len(run.rows)} of {'?' if epochs is None else epochs}"

    def costs(self, device: str) -> Table:
        """What is done on `device`, and what the rest would cost on it."""
        names = ("network", "padding", "finished", "epochs measured", "spent", "left", "whole")
        columns = [Column(name) for name in names[:4]] + [Column(name, _hours) for name in names[4:]]
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

    def _sums(self, runs: Sequence[PlannedRun], device: str) -> tuple[str, str, float, float | str, float | str]:
        finished = sum(run.state == "finished" for run in runs)
        here = [hours for run in runs if run.ran_on(device) for hours in run.hours]
        rate = self.rate(runs[0].record, device)
        measured = f"0, as {rate.source}" if rate and not here else str(len(here))
        costs = [self.cost(run, device) for run in runs]
        known = [cost for cost in costs if cost is not None]
        unknown = _no_run_of(run for run, cost in zip(runs, costs, strict=True) if cost is None)
        left, whole = (
            (sum(hours) if len(known) == len(runs) else f"{_hours(sum(hours))} + {unknown}") if known else unknown
            for hours in (zip(*known, strict=True) if known else ((), ()))
        )
        return f"{finished} of {len(runs)}", measured, sum(here), left, whole

    def notes(self) -> list[str]:
        """What the tables cannot say."""
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

    def details(self) -> Table:
        """A row for each run and device, for other programs."""
        rows = [self._detail(run, device) for run in self.runs for device in (self.devices or [None])]
        return Table("", [Column(name) for name in DETAILS], rows)

    def _detail(self, run: PlannedRun, device: str | None) -> tuple[Any, ...]:
        record = run.record
        who = (record.name, record.network, record.variant, record.padding, record.seed)
        far = (run.state, len(run.rows), self.epochs(run, device), run.folder)
        if device is None:
            return (*who, *far, *[None] * 5)
        spent = sum(run.hours) if run.ran_on(device) else 0.0
        return (*who, *far, device, self.units[device], spent, *(self.cost(run, device) or (None, None)))


def _sources(record: RunRecord) -> list[str]:
    """Names of the groups whose epochs cost what this run's do, the closest first."""
    return list(dict.fromkeys((record.group, record.compared_as, record.network)))


def _grouped(runs: Iterable[PlannedRun], key: Callable[[PlannedRun], str]) -> dict[str, list[PlannedRun]]:
    groups: dict[str, list[PlannedRun]] = defaultdict(list)
    for run in runs:
        groups[key(run)].append(run)
    return groups


def _no_run_of(runs: Iterable[PlannedRun]) -> str:
    return f"not known (no run of {', '.join(dict.fromkeys(run.record.network for run in runs))} yet)"


def _hours(value: float | str) -> str:
    """Hours for readers; words as they are."""
    return value if isinstance(value, str) else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def show_plan(console: Console, runs: Sequence[PointRun], file: Path, output: Path | None) -> int:
    """Prints the plan of a sweep `file`, and writes it to `output` as CSV; returns the exit status.

    Raises:
        UserError: if `output` holds something else or cannot be written.
    """
    if output is not None and output.exists() and not _is_plan(output):
        raise UserError(f"{output} is there and is no plan; choose another --output")
    plan = SweepPlan(runs)
    for table in (plan.grid(), *map(plan.costs, plan.devices)):
        print_whole(console, table.printed())
    for line in (f"{file}: {plan.headline()}", *plan.notes()):
        say(console, line)
    if output is not None:
        try:
            write_text(output, plan.details().csv())
        except OSError as error:
            raise UserError(f"{output} cannot be written: {error.strerror}; choose another --output") from None
        say(console, f"wrote {output}")
    return 0


def _is_plan(output: Path) -> bool:
    if not output.is_file():
        return False
    with open(output, encoding="utf-8", errors="replace") as file:
        return file.readline().strip() == ",".join(DETAILS)
