"""Differences of each scheme from zero padding: intervals, p values, and the number of seeds that would decide.

The paper gives averages and standard deviations (Tables 2 and 3), but does not test whether a difference could be
chance. Values are in percentage points.
"""

from dataclasses import dataclass
from pathlib import Path

from studies.page import palette
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Marked, Table, counts, decimals, interval, p_value, signed, starts
from studies.runs.collect import REFERENCE, Collection, Group
from studies.runs.statistic import BEST, LAST5
from studies.stats.intervals import ALPHA, POWER, Comparison, compare_spread, holm


@dataclass(frozen=True)
class AccuracyDifference:
    """Difference of a group from the same network's runs with zero padding, by one statistic.

    Attributes:
        spread: standard deviation over the group's runs / standard deviation over the runs with zero padding.
        paper: the same difference in the paper; None if the paper has none.
    """

    group: Group
    statistic: str
    found: Comparison
    spread: Comparison
    paper: float | None

    def __str__(self) -> str:
        return f"{self.group.network}: {self.group.padding} − {REFERENCE}"


def study(collection: Collection, output: Path) -> Section | None:
    """Returns the differences as a section, None if there are none; writes `differences.csv` and `.md`."""
    found = differences(collection)
    if not found:
        return None
    table = _table(found, palette.styles(collection.schemes))
    return Section(table.title, [table, Text(READING, muted=True)], table.write(output, "differences"))


def differences(collection: Collection) -> list[AccuracyDifference]:
    """Compares every scheme with zero padding, per network with such runs, by both of the paper's statistics."""
    found = []
    for group in filter(collection.baseline, collection.groups):
        for statistic in (BEST, LAST5):
            printed = statistic.paper_difference(group, collection.metric)
            sides = (statistic.values(each, collection.metric) for each in (group, collection.baseline(group)))
            difference = statistic.difference(collection, group)
            found.append(AccuracyDifference(group, statistic.stem, difference, compare_spread(*sides), printed))
    return found


def _table(found: list[AccuracyDifference], styles: dict[str, palette.Style]) -> Table:
    adjusted = holm([each.found.p for each in found])
    columns = [Column("Comparison"), Column("by"), Column("n"), Column("diff", signed(3)), Column("95 % interval")]
    columns += [Column("test"), Column("p", p_value), Column("p (Holm)", p_value), Column("seeds needed")]
    columns += [Column("stdev ratio", decimals(2)), Column("ratio: 95 %")]
    columns += [Column("low", only_csv=True), Column("high", only_csv=True)]
    rows = []
    for each, p in zip(found, adjusted, strict=True):
        result, spread, name = each.found, each.spread, Marked(each, styles[each.group.padding])
        row = [name, each.statistic, counts(result), result.mean, interval(result), result.kind, result.p, p]
        around = None if spread.low is None else f"{spread.low:.2f} to {spread.high:.2f}"
        rows.append([*row, result.seeds, spread.mean, around, result.low, result.high])
    if any(each.paper is not None for each in found):
        columns.append(Column("paper: diff", signed(3)))
        rows = [[*row, each.paper] for row, each in zip(rows, found, strict=True)]
    return Table("Differences from zero padding", columns, rows, starts([each.group.network for each in found]))


READING = (
    "Differences of averages in percentage points, with Student's 95 % interval. paired: both sides ran the same "
    "seeds, and runs of one seed start from the same weights and see the same samples, so their differences are "
    "tested. Welch: the seeds differ, so both sides are taken as independent. Without a second run on either side "
    "there is no interval, nor where all pairs differ by the same. p (Holm) is adjusted for the comparisons of this "
    "table. seeds needed: runs of each scheme with which a difference of the size found would come out with p < "
    f"{ALPHA:g} four times in five (power {POWER:g}), if it is real and the spread is as found; both are rough with "
    "few runs. stdev ratio: standard deviation over the runs, over that of zero padding, with the interval of an F "
    "test, which takes the two sides as independent and normal: below 1 runs scatter less; an interval that holds 1 "
    "decides nothing."
)
