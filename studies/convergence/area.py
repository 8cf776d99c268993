"""The area between each scheme's curve and zero padding's: how far ahead or behind it is over the whole training.

Epochs to a target depend on the target; the area does not. It is the sum over epochs of the difference in accuracy, in
percentage points times epochs; divided by the epochs it is the mean lead. Beside it how restless the curves are: the
paper says that training with partial padding is "more stable with fewer drifts" (section 4.1).
"""

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from studies.page import palette
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Marked, Table, counts, decimals, interval, p_value, signed, starts
from studies.runs.collect import Collection, Group, Run
from studies.stats.intervals import Comparison, compare
from studies.stats.spread import mean

TITLE = "Area between the curves"

STEM = "area_between_curves"


@dataclass(frozen=True)
class Area:
    """A group's curves against those of zero padding.

    Attributes:
        epochs: that every run of both has.
        lead: mean over these epochs of the difference, in percentage points.
        drift: mean over the runs of `drift`, in percentage points an epoch.
        drift_difference: minus zero padding.
    """

    group: Group
    epochs: int
    lead: Comparison
    drift: float
    drift_difference: Comparison

    @property
    def area(self) -> float:
        """In percentage points times epochs."""
        return self.lead.mean * self.epochs


def study(collection: Collection, output: Path) -> Section | None:
    """A line for each scheme but zero, or None without zero; writes `area_between_curves.csv` and `.md`."""
    found = areas(collection)
    if not found:
        return None
    table = _table(found, palette.styles(collection.schemes))
    reading = Text(
        "area: sum over the epochs of the difference from zero padding, in percentage points times epochs, over the "
        "epochs that all runs have. mean lead: the same divided by their number, with its 95 % interval and p value. "
        "drift: how far a curve falls back from one epoch to the next, in percentage points an epoch, mean over epochs "
        "and runs; less is steadier."
    )
    return Section(TITLE, [reading, table], table.write(output, STEM))


def areas(collection: Collection) -> list[Area]:
    """Every scheme but zero, of each network that was run with zero."""
    pairs = [(group, reference) for group in collection.groups if (reference := collection.baseline(group))]
    return [
        _area(group, reference, collection.metric, epochs)
        for group, reference in pairs
        if (epochs := shared_epochs((*group.runs, *reference.runs), collection.metric))
    ]


def shared_epochs(runs: tuple[Run, ...], metric: str) -> list[int]:
    """Epochs, from 0, at which every run has `metric`, in order."""
    return sorted(set.intersection(*(set(run.curve(metric)) for run in runs)))


def drift(values: list[float]) -> float:
    """Mean over the steps from one epoch to the next of how far the value falls; 0 for one that never falls."""
    return mean([max(0.0, before - after) for before, after in pairwise(values)] or [0.0])


def _area(group: Group, reference: Group, metric: str, epochs: list[int]) -> Area:
    curves = [[[run.curve(metric)[epoch] for epoch in epochs] for run in side.runs] for side in (group, reference)]
    lead = compare(*_sides((group, reference), [[mean(values) for values in side] for side in curves]))
    drifts = [[drift(values) for values in side] for side in curves]
    return Area(group, len(epochs), lead, mean(drifts[0]), compare(*_sides((group, reference), drifts)))


def _sides(groups: tuple[Group, Group], values: list[list[float]]) -> list[list[tuple[int, float]]]:
    return [group.by_seed(side) for group, side in zip(groups, values, strict=True)]


def _table(found: list[Area], styles: dict[str, palette.Style]) -> Table:
    columns = [
        Column("Network"),
        Column("n"),
        Column("epochs"),
        Column("area", signed(1)),
        Column("mean lead", signed(3)),
        Column("95 % interval"),
        Column("p", p_value),
        Column("drift", decimals(3)),
        Column("drift: diff", signed(3)),
        Column("drift: 95 % interval"),
        Column("drift: p", p_value),
    ]
    rows = []
    for each in found:
        lead, steadier = each.lead, each.drift_difference
        row = [
            Marked(each.group, styles[each.group.padding]),
            counts(lead),
            each.epochs,
            each.area,
            lead.mean,
            interval(lead),
            lead.p,
        ]
        rows.append([*row, each.drift, steadier.mean, interval(steadier), steadier.p])
    return Table(TITLE, columns, rows, starts([each.group.network for each in found]))
