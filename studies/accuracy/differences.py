"""How far each scheme lies from zero padding: intervals, p values, and how many seeds would decide.

The paper gives averages and standard deviations (Tables 2 and 3); whether a difference could be chance it leaves to the
reader. Values are in percentage points.
"""

from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure as Canvas

from studies.page import palette
from studies.page.blocks import Figure, Section, Text
from studies.page.drawing import Drawing
from studies.page.tables import Column, Marked, Table, counts, interval, p_value, signed, starts
from studies.runs.collect import REFERENCE, Collection, Group
from studies.runs.statistic import BEST, LAST5
from studies.stats.intervals import ALPHA, POWER, Comparison, holm

STATISTICS = {"best": BEST, "last5": LAST5}


@dataclass(frozen=True)
class AccuracyDifference:
    """A group minus the runs with zero padding, by one statistic; `paper` is the paper's own difference."""

    group: Group
    statistic: str
    found: Comparison
    paper: float | None

    def __str__(self) -> str:
        return f"{self.group.network}: {self.group.padding} − {REFERENCE}"


def study(collection: Collection, output: Path) -> Section | None:
    """A line for each group and statistic, or None if nothing can be compared; writes `differences.csv`, .md, .svg."""
    found = differences(collection)
    if not found:
        return None
    styles = palette.styles(collection.schemes)
    table, drawing = _table(found, styles), draw(found, styles)
    files = [*table.write(output, "differences"), drawing.write(output / "differences.svg")]
    return Section(table.title, [Text(_reading(found)), table, Figure([drawing], CAPTION)], files)


def differences(collection: Collection) -> list[AccuracyDifference]:
    """Every scheme but zero, of each network that was run with zero, by both of the paper's statistics."""
    found = []
    for group in filter(collection.baseline, collection.groups):
        for name, statistic in STATISTICS.items():
            printed = statistic.paper_difference(group, collection.metric)
            found.append(AccuracyDifference(group, name, statistic.difference(collection, group), printed))
    return found


def _table(found: list[AccuracyDifference], styles: dict[str, palette.Style]) -> Table:
    adjusted = holm([each.found.p for each in found])
    columns = [Column("Comparison"), Column("by"), Column("n"), Column("diff", signed(3)), Column("95 % interval")]
    columns += [Column("test"), Column("p", p_value), Column("p (Holm)", p_value), Column("seeds needed")]
    columns += [Column("low", only_csv=True), Column("high", only_csv=True)]
    rows = []
    for each, p in zip(found, adjusted, strict=True):
        result, name = each.found, Marked(each, styles[each.group.padding])
        row = [name, each.statistic, counts(result), result.mean, interval(result), result.kind, result.p, p]
        rows.append([*row, result.seeds, result.low, result.high])
    if any(each.paper is not None for each in found):
        columns.append(Column("paper: diff", signed(3)))
        rows = [[*row, each.paper] for row, each in zip(rows, found, strict=True)]
    return Table("Differences from zero padding", columns, rows, starts([each.group.network for each in found]))


def _reading(found: list[AccuracyDifference]) -> str:
    kinds = {each.found.kind for each in found}
    words = "Differences of averages in percentage points, with Student's 95 % interval. "
    if "paired" in kinds:
        words += (
            "paired: both sides ran the same seeds, and runs of one seed start from the same weights and see the same "
            "samples, so their differences are tested. "
        )
    if "Welch" in kinds:
        words += "Welch: the seeds differ, so both sides are taken as independent. "
    if None in kinds:
        words += "Without a second run on either side there is no interval. "
    return words + (
        f"p (Holm) is adjusted for the {sum(each.found.p is not None for each in found)} comparisons of this table. "
        f"seeds needed: runs of each scheme with which a difference of the size found would come out with "
        f"p < {ALPHA:g} four times in five (power {POWER:g}), if it is real and the spread is as found; both are rough "
        "with few runs. "
    )


CAPTION = (
    "Difference from zero padding, best epoch (dot) and average of the last five (ring), with 95 % intervals; a single "
    "run has none. Right of the line the scheme is ahead of zero padding, left of it behind."
)


def draw(found: list[AccuracyDifference], styles: dict[str, palette.Style]) -> Drawing:
    """The table as a picture: a line a comparison, its interval beside zero."""

    def fill(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        axes.axvline(0, color=palette.MUTED, linewidth=1)
        for height, each in zip(range(len(found), 0, -1), found, strict=True):
            colour = styles[each.group.padding].placeholder
            if each.found.low is not None:
                axes.hlines(height, each.found.low, each.found.high, color=colour, linewidth=2)
            face = colour if each.statistic == "best" else "none"
            axes.plot([each.found.mean], [height], "o", color=colour, markerfacecolor=face, markersize=7)
        names = [str(each) if each.statistic == "best" else "" for each in found]
        axes.set_yticks(range(len(found), 0, -1), names, parse_math=False)
        axes.set_xlabel("percentage points")
        axes.grid(axis="y", visible=False)

    return Drawing(fill, (7.2, 0.8 + 0.26 * len(found)), "Differences from zero padding")
