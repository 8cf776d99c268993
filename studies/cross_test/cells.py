"""Cells of Table 4: the runs of one network and scheme, tested under one scheme.

The paper (Partial Convolution based Padding, https://arxiv.org/abs/1811.11718) tests zero and partial padding crosswise
on ResNet50 (section 4.1, "Cross Testing"). A difference belongs to one run: the same weights, under the other scheme
minus under their own; its spread is that of these differences.
"""

from dataclasses import dataclass

from studies.runs.collect import Collection, Run, scheme_order
from studies.runs.comparable import ComparableRecords, comparable_records
from studies.stats.spread import mean


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one network and scheme, tested under one scheme.

    Attributes:
        network: name that the runs are compared under.
        padding: scheme that they were trained with.
        padding_at_test: scheme that they were tested with.
        runs: that were tested, by seed.
        values: of each run, in percent.
        own: of each run under the scheme that it was trained with; None where that was not evaluated.
    """

    network: str
    padding: str
    padding_at_test: str
    runs: tuple[Run, ...]
    values: tuple[float, ...]
    own: tuple[float | None, ...]

    @property
    def is_own(self) -> bool:
        return self.padding == self.padding_at_test

    @property
    def average(self) -> float:
        return mean(self.values)

    @property
    def diffs(self) -> tuple[float, ...]:
        """Under this scheme minus under its own, of each run that has both, in points: below 0 is the paper's drop."""
        pairs = zip(self.values, self.own, strict=True)
        return tuple(value - own for value, own in pairs if own is not None)

    @property
    def diff(self) -> float | None:
        return mean(self.diffs) if self.diffs and not self.is_own else None


def drops(collection: Collection, checkpoint: str | None = None) -> list[Cell]:
    """Every network's runs of one scheme tested under another one that have a difference; see `Cell.diffs`.

    Args:
        checkpoint: as of `evaluated`.
    """
    found = cells(collection, comparable_records(collection, checkpoint))
    return [cell for cell in found if not cell.is_own and cell.diffs]


def cells(collection: Collection, evaluations: ComparableRecords) -> list[Cell]:
    """A cell for each network, scheme of training and scheme of test with a value, each's own scheme first."""
    found = []
    for group in collection.groups:
        tested = {scheme for run, scheme in evaluations.of if run in group.runs}
        for scheme in sorted(tested, key=lambda each: (each != group.padding, *scheme_order(each))):
            values = {run: evaluations.value(run, scheme, collection.metric) for run in group.runs}
            runs = tuple(run for run, value in values.items() if value is not None)
            if runs:
                own = tuple(evaluations.value(run, group.padding, collection.metric) for run in runs)
                measured = tuple(values[run] for run in runs)
                found.append(Cell(group.network, group.padding, scheme, runs, measured, own))
    return found
