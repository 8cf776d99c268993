"""The runs of a folder, grouped by architecture and padding scheme; what cannot be compared is set aside and named."""

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from records import RunFolder, RunFolderError, RunRecord, best, find_runs
from records.codec import Record
from records.evaluation import read_evaluations
from records.rows import Row
from records.summary import values
from records.validation import ValidationRecord

R = TypeVar("R", bound=Record)

REFERENCE = "zero"
"""The scheme that differences refer to, as in Tables 2 and 3."""

PARTIAL = "partial"
"""The scheme that the paper proposes."""

FIRST_SCHEMES = (REFERENCE, PARTIAL)
"""The order of the paper's tables; other schemes follow by name."""


@dataclass(frozen=True, eq=False)
class Run:
    folder: RunFolder
    record: RunRecord
    rows: list[Row]

    @cached_property
    def _evaluations(self) -> tuple[dict[Path, Record], dict[Path, str]]:
        found, unusable = read_evaluations(self.folder)
        foreign = {path: reason for path, record in found.items() if (reason := _foreign(self.record, record))}
        return {path: record for path, record in found.items() if path not in foreign}, unusable | foreign

    def evaluations(self, kind: type[R]) -> dict[Path, R]:
        """The records of one kind in the run's `evaluations/`, by file, oldest first; read once."""
        return {path: record for path, record in self._evaluations[0].items() if isinstance(record, kind)}

    @property
    def unusable(self) -> "list[SetAside]":
        """The files in the run's `evaluations/` that are damaged, or of other weights than the run's."""
        return [SetAside(path, reason) for path, reason in self._evaluations[1].items()]

    def curve(self, metric: str) -> dict[int, float]:
        """Maps each epoch, counted from 0, to the value of `metric`."""
        return dict(values(self.rows, metric))


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of one architecture and scheme, by seed."""

    network: str
    padding: str
    runs: tuple[Run, ...]

    def __str__(self) -> str:
        """The group's name as in the paper's tables, such as `resnet50_zero`."""
        return f"{self.network}_{self.padding}"

    def by_seed(self, values: Sequence[float]) -> list[tuple[int, float]]:
        """(seed, value) of each run, as `studies.stats.intervals.compare` takes them."""
        return [(run.record.seed, value) for run, value in zip(self.runs, values, strict=True)]


@dataclass(frozen=True)
class SetAside:
    """A run, or a file of one, that is left out of the tables, and why; `url` is its W&B page if it has no folder."""

    folder: Path
    reason: str
    url: str = ""

    def __str__(self) -> str:
        return f"{self.url or self.folder}: {self.reason}"


@dataclass(frozen=True)
class Collection:
    """The runs of a folder that can be compared.

    Attributes:
        root: folder of the runs.
        metric: metric that the runs are compared by, in percent.
        groups: groups by name of the architecture, then by scheme in the order of the paper's tables.
        set_aside: unfinished and damaged runs, runs without the metric, and unusable evaluations of the other runs.
    """

    root: Path
    metric: str
    groups: tuple[Group, ...]
    set_aside: tuple[SetAside, ...]

    @cached_property
    def networks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(group.network for group in self.groups))

    @cached_property
    def schemes(self) -> tuple[str, ...]:
        return tuple(sorted({group.padding for group in self.groups}, key=scheme_order))

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        return tuple(run for group in self.groups for run in group.runs)

    def of(self, network: str) -> tuple[Group, ...]:
        """The groups of one architecture."""
        return tuple(group for group in self.groups if group.network == network)

    def reference(self, network: str) -> Group | None:
        """The architecture's runs with zero padding, if there are any."""
        return next((group for group in self.of(network) if group.padding == REFERENCE), None)

    def baseline(self, group: Group) -> Group | None:
        """The runs with zero padding that `group` is compared with; None if there are none or `group` is these runs."""
        reference = self.reference(group.network)
        return None if reference is group else reference


def scheme_order(scheme: str) -> tuple[int, str]:
    return (FIRST_SCHEMES.index(scheme) if scheme in FIRST_SCHEMES else len(FIRST_SCHEMES), scheme)


def collect(root: str | Path, metric: str | None = None, set_aside: Sequence[SetAside] = ()) -> Collection:
    """Reads every run at or below `root`.

    Args:
        metric: metric to compare the runs by; None for the one that most of them monitor.
        set_aside: runs that belong to `root` but could not be written there.

    Raises:
        RunFolderError: there is nothing to report; the message says what was found instead.
    """
    root = Path(root)
    runs, damaged = _read_all(root)
    set_aside = [*set_aside, *damaged]
    if metric is None and runs:
        # A folder may hold classification and segmentation runs, which have no common metric.
        # A user's module may monitor a loss, of which the highest value would be taken for the best.
        monitored = [run.record.monitor for run in runs if "loss" not in run.record.monitor]
        metric = Counter(monitored or ["val/acc1"]).most_common(1)[0][0]
    chosen = []
    for run in runs:
        if reason := _not_comparable(run, metric):
            set_aside.append(SetAside(run.folder.path, reason))
        else:
            chosen.append(run)
    if not chosen:
        raise RunFolderError(_nothing(root, set_aside))
    set_aside += [entry for run in chosen for entry in run.unusable]
    return Collection(root, metric, _group(chosen), tuple(sorted(set_aside, key=lambda each: each.folder)))


def _read_all(root: Path) -> tuple[list[Run], list[SetAside]]:
    runs, damaged = [], []
    for folder in find_runs(root):
        try:
            runs.append(Run(folder, folder.read_record(), folder.read_rows()))
        # One damaged run must not keep the others from being compared.
        except (RunFolderError, OSError) as error:
            damaged.append(SetAside(folder.path, str(error).replace(f"{folder.path}/", "")))
    return runs, damaged


def _not_comparable(run: Run, metric: str) -> str | None:
    if not run.record.finished:
        return f"unfinished: {len(run.rows)} of {run.record.max_epochs} epochs"
    if best(run.rows, metric) is None:
        monitors = "" if run.record.monitor == metric else f"; it monitors {run.record.monitor} (--metric)"
        if any(metric in row for row in run.rows):
            return f"its epochs.csv has no epoch with {metric} and every other figure of the validation a number"
        return f"no value of {metric} in its epochs.csv{monitors}"
    return None


def _foreign(run: RunRecord, record: Record) -> str | None:
    """Why a record in the folder of `run` does not belong to it, or has a figure that is no number; None if neither."""
    # A network around an encoder has a name of its own, which ends with the encoder's.
    if record.padding != run.padding or not record.network.endswith(run.network):
        own = f"{run.network} with {run.padding} padding"
        return f"is of weights of {record.network} trained with {record.padding} padding, and the run trains {own}"
    figures = record.metrics if isinstance(record, ValidationRecord) else {}
    odd = [name for name in figures if name != "loss" and not math.isfinite(figures[name])]
    return f"its {', '.join(odd)} is no number" if odd else None


def _nothing(root: Path, set_aside: Sequence[SetAside]) -> str:
    if not set_aside:
        return f"{root} holds no runs; give the folder that the run folders are in, such as runs/demo"
    # One line per reason: a --metric that no run has would name hundreds of runs.
    alike, first = Counter(each.reason for each in set_aside), {each.reason: each for each in reversed(set_aside)}
    lines = [f"{first[reason]}{f' (and {n - 1} more)' if n > 1 else ''}" for reason, n in alike.items()]
    return "\n  ".join([f"{root} holds no finished run to report on:", *lines])


def _group(runs: Sequence[Run]) -> tuple[Group, ...]:
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.record.seed):
        found[run.record.compared_as, run.record.padding].append(run)
    keys = sorted(found, key=lambda key: (natural(key[0]), scheme_order(key[1])))
    return tuple(Group(*key, tuple(found[key])) for key in keys)


def natural(name: str) -> list[tuple[int, int, str]]:
    """Sorting key that puts resnet50 before resnet101."""
    parts = filter(None, re.split(r"(\d+)", name))
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]
