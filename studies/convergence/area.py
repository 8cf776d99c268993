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
from studies.runs.collect import Collection, Group
from studies.stats.intervals import Comparison, compare
from studies.stats.spread import mean


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
    return Section(table.title, [reading, table], table.write(output, "area_between_curves"))


def areas(collection: Collection) -> list[Area]:
    """Every scheme but zero, of each network that was run with zero."""
    pairs = [(group, reference) for group in collection.groups if (reference := collection.baseline(group))]
    return [area for pair in pairs if (area := _area(pair, collection.metric))]


def drift(values: list[float]) -> float:
    """Mean over the steps from one epoch to the next of how far the value falls; 0 for one that never falls."""
    # Cut off at 0: over all steps rises and falls would cancel, leaving first minus last.
    return mean([max(0.0, before - after) for before, after in pairwise(values)] or [0.0])


def _area(groups: tuple[Group, Group], metric: str) -> Area | None:
    curves = [[run.curve(metric) for run in group.runs] for group in groups]
    # A run that was resumed or validated rarely may lack epochs: only those that every run has are compared.
    epochs = sorted(set.intersection(*(set(curve) for side in curves for curve in side)))
    if not epochs:
        return None
    values = [[[curve[epoch] for epoch in epochs] for curve in side] for side in curves]
    lead, steadier = (
        compare(*(group.by_seed([of(run) for run in side]) for group, side in zip(groups, values, strict=True)))
        for of in (mean, drift)
    )
    return Area(groups[0], len(epochs), lead, mean([drift(run) for run in values[0]]), steadier)


def _table(found: list[Area], styles: dict[str, palette.Style]) -> Table:
    columns = [Column("Network"), Column("n"), Column("epochs"), Column("area", signed(1))]
    columns += [Column("mean lead", signed(3)), Column("95 % interval"), Column("p", p_value)]
    columns += [Column("drift", decimals(3)), Column("drift: diff", signed(3))]
    columns += [Column("drift: 95 % interval"), Column("drift: p", p_value)]
    rows = []
    for each in found:
        lead, steadier = each.lead, each.drift_difference
        row = [Marked(each.group, styles[each.group.padding]), counts(lead), each.epochs, each.area]
        row += [lead.mean, interval(lead), lead.p]
        rows.append([*row, each.drift, steadier.mean, interval(steadier), steadier.p])
    return Table("Area between the curves", columns, rows, starts([each.group.network for each in found]))
