"""Shift consistency of the runs: a line for each network and scheme, and a dot for each run."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.blocks import Section
from studies.page.drawing import Drawing
from studies.page.measured import Found, of_runs, rows_by_scheme
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.runs.collect import Collection
from studies.stats.spread import mean, stdev

TITLE = "Consistency under shifts"

READING = (
    "consistent: images, in percent, whose decision is the same for two crops at random offsets; circular: for two "
    "circular shifts of the central crop, where only circular padding sees no new border; both: more is steadier. "
    "top-1, p: accuracy and mean probability of the right class over crops along the diagonal; sd of p: its standard "
    "deviation over these crops, mean over images, in points; less is steadier. Mean and standard deviation over runs."
)

CAPTION = "A dot a run, a bar the mean of a scheme. To the right is steadier; zero padding is first for comparison."


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `shift.csv`, `.md` and `.svg`; None where no run was measured."""
    return of_runs(collection, output, "shift", TITLE, READING, make_table, draw, CAPTION)


def consistency(record: MeasureRecord) -> float:
    return mean(record.values["consistency"])


def make_table(found: Found) -> Table:
    """A line for each network and scheme."""
    names = ("consistent", "stdev", "circular", "top-1", "p", "sd of p")
    columns = [Column("Network"), Column("n"), Column("images"), *(Column(name, decimals(2)) for name in names)]
    styles = palette.styles([group.padding for group in found])
    rows = []
    for group, records in found.items():
        same = [consistency(each) for each in records]
        others = [mean([mean(each.values[name]) for each in records]) for name in ("circular", "top1", "p", "sd")]
        name = Marked(group, styles[group.padding])
        rows.append([name, len(records), records[0].images, mean(same), stdev(same), *others])
    return Table(TITLE, columns, rows, starts([group.network for group in found]))


def draw(found: Found) -> Drawing:
    """A panel for each network, a row for each scheme."""

    def plot(axes: Axes, row: int, records: Sequence[MeasureRecord], colour: str) -> None:
        values = [consistency(each) for each in records]
        axes.plot(values, [row] * len(values), "o", markersize=5, color=colour, alpha=0.7)
        axes.plot([mean(values)], [row], "|", markersize=16, markeredgewidth=3, color=colour)

    return rows_by_scheme(found, plot, "same decision for two crops, %", TITLE)
