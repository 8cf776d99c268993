"""`main.py sweep FILE --plan`: the whole grid, how far each run is, and what the rest will cost."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from cli.sweep.costs import Hardware, Measured, Rates, expected_epochs, hardware_of
from cli.sweep.points import PointRun
from records import RunFolderError, RunRecord, write_text
from records.errors import UserError
from records.rows import Row
from studies.page.tables import Column, Table
from studies.page.terminal import rich_table


class Stage(StrEnum):
    FINISHED = "finished"
    UNFINISHED = "unfinished"
    NOT_STARTED = "not started"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class Progress:
    """How far a run of the grid is.

    Attributes:
        record: who it is, from the point's settings.
        folder: of the run.
        rows: its epochs so far.
        hardware: that they were run on; None if there are none, it was not recorded, or it changed between attempts.
        problem: what is damaged.
    """

    record: RunRecord
    folder: Path
    stage: Stage
    rows: list[Row] = field(default_factory=list)
    hardware: Hardware | None = None
    problem: str = ""

    @property
    def spent(self) -> float:
        """Device hours so far; 0 where the hardware is not known."""
        return sum(Measured(self.record, self.hardware, self.rows).hours) if self.hardware else 0.0


def progress_of(run: PointRun) -> Progress:
    """What the run's folder says; what cannot be read makes it damaged."""
    if not run.folder.exists():
        return Progress(run.record, run.folder.path, Stage.NOT_STARTED)
    try:
        recorded, rows = run.folder.read_record(), run.folder.read_rows()
    except (RunFolderError, OSError) as error:
        return Progress(run.record, run.folder.path, Stage.DAMAGED, problem=str(error))
    stage = Stage.FINISHED if recorded.finished else Stage.UNFINISHED
    hardware = hardware_of(recorded.attempts, _trainer(run.folder.config)) if rows else None
    return Progress(run.record, run.folder.path, stage, rows, hardware)


def _trainer(config: Path) -> dict[str, Any]:
    """The trainer's settings as they were recorded; none where they cannot be read."""
    try:
        return yaml.safe_load(config.read_text())["trainer"]
    except (OSError, yaml.YAMLError, KeyError, TypeError):
        return {}


class Plan:
    """The runs of a grid and their expected costs.

    Args:
        runs: all of them, in the order of the grid.
    """

    def __init__(self, runs: Sequence[Progress]) -> None:
        self.runs = runs
        self.rates = Rates(Measured(run.record, run.hardware, run.rows) for run in runs if run.hardware)

    @property
    def devices(self) -> list[str]:
        """The devices that runs of the grid were run on."""
        return sorted(self.rates.units)

    @property
    def headline(self) -> str:
        """How many runs there are in each stage."""
        counts = Counter(run.stage for run in self.runs)
        return f"{len(self.runs)} runs: " + ", ".join(f"{counts[stage]} {stage}" for stage in Stage if counts[stage])

    def epochs(self, run: Progress, device: str | None = None) -> int | None:
        """Epochs of the whole run; where steps end it, as many as runs on `device`, or else on any, needed for them."""
        if run.stage is Stage.FINISHED:
            return len(run.rows)
        devices = [device] if device else self.devices
        steps = [rate.steps for name in devices if (rate := self.rates.of(run.record, name))]
        return expected_epochs(run.record, run.rows[0]["step"] if run.rows else next(iter(steps), None))

    def cost(self, run: Progress, device: str, whole: bool) -> float | None:
        """Expected hours on `device` of what is left of a run, or of the `whole` run; None where that is not known."""
        rate, epochs = self.rates.of(run.record, device), self.epochs(run, device)
        if rate is None or epochs is None:
            return None
        # Of a damaged folder nothing is known to be done.
        return rate.hours * (epochs if whole else max(0, epochs - len(run.rows)))

    def grid(self) -> Table:
        """A line a run."""
        columns = [Column(name) for name in ("run", "state", "epochs", "folder")]
        rows = [[run.record.name, run.stage, self._done(run), run.folder] for run in self.runs]
        return Table("Runs of the grid", columns, rows, words=True)

    def _done(self, run: Progress) -> str:
        epochs = self.epochs(run)
        return f"{len(run.rows)} of {'?' if epochs is None else epochs}"

    def costs(self) -> list[Table]:
        """For each device that runs were run on: what is done, and what the rest would cost on it."""
        return [self._costs(device) for device in self.devices]

    def _costs(self, device: str) -> Table:
        title = f"Expected {self.rates.units[device]} on {device}"
        names = ("network", "padding", "finished", "epochs measured", "spent", "left", "whole")
        columns = [Column(name) for name in names[:4]] + [Column(name, _hours) for name in names[4:]]
        rows, starts = [], []
        networks = dict.fromkeys(run.record.compared_as for run in self.runs)
        for network in networks:
            of_network = [run for run in self.runs if run.record.compared_as == network]
            paddings = dict.fromkeys(run.record.padding for run in of_network)
            for padding in paddings:
                group = [run for run in of_network if run.record.padding == padding]
                rows.append((network, padding, *self._sums(group, device)))
            if len(paddings) > 1:
                rows.append((network, "all", *self._sums(of_network, device)))
            starts.append(len(rows))
        if len(networks) > 1:
            rows.append(("all", "all", *self._sums(self.runs, device)))
        return Table(title, columns, rows, starts)

    def _sums(self, runs: Sequence[Progress], device: str) -> tuple[str, str, float, float | str, float | str]:
        finished = sum(run.stage is Stage.FINISHED for run in runs)
        spent = sum(run.spent for run in runs if run.hardware and run.hardware.name == device)
        left, whole = (self._sum(runs, device, whole) for whole in (False, True))
        return f"{finished} of {len(runs)}", self._measured(runs, device), spent, left, whole

    def _sum(self, runs: Sequence[Progress], device: str, whole: bool) -> float | str:
        costs = [(run, self.cost(run, device, whole)) for run in runs]
        unknown = dict.fromkeys(run.record.network for run, cost in costs if cost is None)
        if not unknown:
            return sum(cost for _, cost in costs)
        known = sum(cost for _, cost in costs if cost is not None)
        missing = f"not known (no run of {', '.join(unknown)} yet)"
        return missing if all(cost is None for _, cost in costs) else f"{_hours(known)} + {missing}"

    def _measured(self, runs: Sequence[Progress], device: str) -> str:
        groups = {run.record.group: run.record for run in runs}
        rates = {group: self.rates.of(record, device) for group, record in groups.items()}
        if len(groups) == 1:
            (group, rate), *_ = rates.items()
            borrowed = rate is not None and rate.source != group
            return "0" if rate is None else f"0, as {rate.source}" if borrowed else str(rate.epochs)
        return str(sum(rate.epochs for group, rate in rates.items() if rate and rate.source == group))

    def notes(self) -> list[str]:
        """What the tables cannot say."""
        lines = [f"damaged, counted as not begun: {run.problem}" for run in self.runs if run.stage is Stage.DAMAGED]
        lines += [
            f"{run.folder}: not recorded on what it was run, or not the same in every attempt; not counted"
            for run in self.runs
            if run.rows and run.hardware is None
        ]
        if not self.devices:
            networks = dict.fromkeys(run.record.network for run in self.runs)
            lines.append(f"expected hours: not known (no run of {', '.join(networks)} yet)")
        elif any(unit == "core hours" for unit in self.rates.units.values()):
            lines.append("core hours: processes x threads of each; processes that load data come on top")
        return lines

    def details(self) -> Table:
        """A row for each run and device, for other programs."""
        columns = [Column(name) for name in DETAILS]
        rows = [self._detail(run, device) for run in self.runs for device in (self.devices or [None])]
        return Table("", columns, rows)

    def _detail(self, run: Progress, device: str | None) -> tuple[Any, ...]:
        record = run.record
        who = (record.name, record.network, record.variant, record.padding, record.seed)
        far = (run.stage, len(run.rows), self.epochs(run, device), run.folder)
        if device is None:
            return (*who, *far, None, None, None, None, None)
        spent = run.spent if run.hardware and run.hardware.name == device else 0.0
        hours = (spent, self.cost(run, device, whole=False), self.cost(run, device, whole=True))
        return (*who, *far, device, self.rates.units[device], *hours)


DETAILS = (
    *("run", "network", "variant", "padding", "seed", "state", "epochs_done", "epochs", "folder"),
    *("device", "unit", "spent", "left", "whole"),
)


def _hours(value: float | str) -> str:
    """Hours for readers; words as they are."""
    return value if isinstance(value, str) else f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def show_plan(runs: Sequence[PointRun], file: Path, output: Path | None, say: Callable, show: Callable) -> int:
    """Prints the plan of a sweep `file`, and writes it to `output` as CSV; returns the exit status.

    Raises:
        UserError: if `output` holds something else or cannot be written.
    """
    if output is not None:
        refuse_another_file(output)
    plan = Plan([progress_of(run) for run in runs])
    for table in (plan.grid(), *plan.costs()):
        show(rich_table(table))
    say(f"{file}: {plan.headline}")
    for note in plan.notes():
        say(note)
    if output is not None:
        try:
            write_text(output, plan.details().csv())
        except OSError as error:
            raise UserError(f"{output} cannot be written: {error.strerror}; choose another --output") from None
        say(f"wrote {output}")
    return 0


def refuse_another_file(output: Path) -> None:
    """Raises UserError if `output` is there and is no earlier plan."""
    if not output.exists():
        return
    if output.is_file():
        with open(output, encoding="utf-8", errors="replace") as file:
            if file.readline().strip() == ",".join(DETAILS):
                return
    raise UserError(f"{output} is there and is no plan; choose another --output")
