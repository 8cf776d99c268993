"""Shift consistency of the runs: a line for each network and scheme, and a dot for each run."""

from pathlib import Path

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.blocks import Figure, Section, Text
from studies.page.drawing import Drawing, grid_of_panels
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.runs.collect import Collection, Group
from studies.runs.measured import by_group, measured_runs
from studies.stats.spread import mean, stdev

TITLE = "Consistency under shifts"

READING = (
    "consistent: images, in percent, whose decision is the same for two crops at random offsets; circular: for two "
    "circular shifts of the central crop, where only circular padding sees no new border; both: more is steadier. "
    "top-1, p: accuracy and mean probability of the right class over crops along the diagonal; sd of p: its standard "
    "deviation over these crops, mean over images, in points; less is steadier. Mean and standard deviation over runs."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `shift.csv`, `.md` and `.svg`; None where no run was measured."""
    found = by_group(collection, measured_runs(collection, "shift"))
    if not found:
        return None
    table, drawing = make_table(found), draw(found)
    caption = "A dot a run, a bar the mean of a scheme. To the right is steadier; zero padding is first for comparison."
    files = [*table.write(output, "shift"), drawing.write(output / "shift.svg")]
    return Section(TITLE, [Text(READING), table, Figure([drawing], caption)], files)


def consistency(record: MeasureRecord) -> float:
    return mean(record.values["consistency"])


def make_table(found: dict[Group, list[MeasureRecord]]) -> Table:
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


def draw(found: dict[Group, list[MeasureRecord]]) -> Drawing:
    """A panel for each network, a row for each scheme."""
    networks = list(dict.fromkeys(group.network for group in found))
    styles = palette.styles([group.padding for group in found])

    def fill(axes: Axes, network: str) -> None:
        groups = [group for group in found if group.network == network]
        for row, group in enumerate(groups):
            values, colour = [consistency(each) for each in found[group]], styles[group.padding].placeholder
            axes.plot(values, [row] * len(values), "o", markersize=5, color=colour, alpha=0.7)
            axes.plot([mean(values)], [row], "|", markersize=16, markeredgewidth=3, color=colour)
        axes.set_yticks(range(len(groups)), [group.padding for group in groups], parse_math=False)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.set_title(network, loc="left", parse_math=False)
        axes.set_xlabel("same decision for two crops, %")

    rows = max(sum(group.network == network for group in found) for network in networks)
    return grid_of_panels(fill, networks, (5.4, 0.32 * rows + 1.1), TITLE)
