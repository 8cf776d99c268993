"""Epochs that the runs needed to reach each target accuracy: section 4.1, "Convergence Speed", with intervals.

Partial Convolution based Padding, https://arxiv.org/abs/1811.11718.

The paper reads them off the mean curve of five runs (63 epochs with partial padding, 68 with zero, to 74.9 %); a mean
curve has no spread, so here the epochs of each run are read, with the mean curve's epoch beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from records import epochs_to
from studies.convergence.figure import curve
from studies.page import palette
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Marked, Table, decimals, interval, p_value, signed, starts
from studies.runs import paper
from studies.runs.collect import Collection, Group
from studies.runs.fairness import is_of_imagenet
from studies.stats.intervals import Comparison, compare
from studies.stats.spread import mean


@dataclass(frozen=True)
class Reached:
    """The epochs that the runs of a group took to reach a target.

    Attributes:
        epochs: epochs of each run in the order of the seeds, the first epoch counting as 1; None if it never did.
        mean_curve: first epoch at which the mean over the runs reached the target, or None.
        difference: difference from zero padding; None unless all runs of both reached it, and for zero padding itself.
        paper: epochs that the paper reads off its mean curve, or None.
    """

    group: Group
    target: float
    epochs: tuple[int | None, ...]
    mean_curve: int | None
    difference: Comparison | None
    paper: int | None

    @property
    def mean(self) -> float | None:
        """Mean over the runs that reached the target, or None."""
        found = [epoch for epoch in self.epochs if epoch is not None]
        return mean(found) if found else None


def study(collection: Collection, output: Path, wanted: Sequence[float] = ()) -> Section | None:
    """Returns a section with a row per target and group, None without targets; writes `epochs_to_target.csv` and `.md`.

    Args:
        wanted: targets in percent; none for the targets of the runs.
    """
    found = reached(collection, wanted)
    if not found:
        return None
    ever = {each.target for each in found if each.mean is not None}
    table = _table([each for each in found if each.target in ever], palette.styles(collection.schemes))
    reading = Text(
        f"Epochs of training until {collection.metric} first reached the target, the first epoch counting as 1. mean: "
        "over the runs that reached it; where some did not, it looks better than it is, and no difference is taken. "
        "mean curve: the paper's way, the first epoch at which the mean over the runs reached it. diff: difference of "
        "the means from zero padding, with its 95 % interval and p value as in the table of differences."
    )
    never = sorted({each.target for each in found} - ever)
    missed = [Text(f"No run reached {', '.join(f'{target:g}' for target in never)} %.", muted=True)] if never else []
    return Section(table.title, [reading, *missed, table], table.write(output, "epochs_to_target"))


def reached(collection: Collection, wanted: Sequence[float] = ()) -> list[Reached]:
    """The epochs by network, target (`wanted`, or the targets of the runs) and scheme, in this order."""
    return [
        _reached(collection, group, target)
        for network in collection.networks
        for target in wanted or targets(collection.of(network))
        for group in collection.of(network)
    ]


def targets(groups: tuple[Group, ...]) -> list[float]:
    """The targets of the runs of `groups`, in percent, lowest first."""
    return sorted({target for group in groups for run in group.runs for target in run.record.targets})


def _reached(collection: Collection, group: Group, target: float) -> Reached:
    metric, reference = collection.metric, collection.baseline(group)
    groups = (group, reference) if reference else (group,)
    epochs = [[epochs_to(run.rows, metric, target) for run in each.runs] for each in groups]
    difference = None
    # A difference over only the runs that reached it would flatter a scheme whose other runs did not.
    if reference and None not in (*epochs[0], *epochs[1]):
        difference = compare(*(each.by_seed(values) for each, values in zip(groups, epochs, strict=True)))
    mean_curve = next((point.epoch for point in curve(group, metric) if point.mean >= target), None)
    printed = None
    if target == paper.content()["figure3"]["target"] and is_of_imagenet(group.runs[0]):
        printed = paper.row("figure3", network=group.network, padding=group.padding)
    return Reached(group, target, tuple(epochs[0]), mean_curve, difference, printed and printed["epochs"])


def _table(found: list[Reached], styles: dict[str, palette.Style]) -> Table:
    columns = [Column("Network"), Column("target", lambda value: f"{value:g} %"), Column("reached")]
    columns += [Column("mean", decimals(1)), Column("mean curve"), Column("runs")]
    columns += [Column("diff", signed(1)), Column("95 % interval"), Column("p", p_value)]
    rows = []
    for each in found:
        count = sum(epoch is not None for epoch in each.epochs)
        runs = ", ".join("-" if epoch is None else str(epoch) for epoch in each.epochs)
        name = Marked(each.group, styles[each.group.padding])
        row = [name, each.target, f"{count} of {len(each.epochs)}", each.mean, each.mean_curve, runs]
        result = each.difference
        rows.append(row + ([None] * 3 if result is None else [result.mean, interval(result), result.p]))
    if any(each.paper is not None for each in found):
        columns.append(Column("paper"))
        rows = [[*row, each.paper] for row, each in zip(rows, found, strict=True)]
    blocks = starts([(each.group.network, each.target) for each in found])
    return Table("Epochs to reach an accuracy", columns, rows, blocks)
