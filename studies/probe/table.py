"""The position probe of the runs: a line for each network and scheme, and a dot for each run."""

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

TITLE = "Position that can be read from frozen maps"

TARGETS = ("horizontal", "vertical", "gaussian")

READING = (
    "Spearman's rho between position and what a linear 3x3 readout of five stages gives, on images that it was not "
    "fitted on: 0 is no position, 1 is position. h, v, g: horizontal, vertical, Gaussian. MAE: mean absolute error, "
    "mean of the three, of a range of 0 to 1. black, white, noise: mean rho of the three on images without content, "
    "where the border alone can tell. Means over runs, standard deviation of the mean rho."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `probe.csv`, `.md` and `.svg`; None where no run was measured."""
    found = by_group(collection, measured_runs(collection, "probe"))
    if not found:
        return None
    table, drawing = make_table(found), draw(found)
    caption = "Mean rho over three targets: filled on images, open on black. A dot a run. Less position is to the left."
    files = [*table.write(output, "probe"), drawing.write(output / "probe.svg")]
    return Section(TITLE, [Text(READING), table, Figure([drawing], caption)], files)


def rho(record: MeasureRecord, shown: str) -> float:
    """Mean over the targets."""
    return mean([record.values[f"{shown} {target}"][0] for target in TARGETS])


def make_table(found: dict[Group, list[MeasureRecord]]) -> Table:
    """A line for each network and scheme."""
    names = ("rho h", "rho v", "rho g", "stdev", "MAE", "black", "white", "noise")
    columns = [Column("Network"), Column("n"), Column("images"), *(Column(name, decimals(3)) for name in names)]
    styles = palette.styles([group.padding for group in found])
    rows = []
    for group, records in found.items():
        each = [mean([record.values[f"images {target}"][0] for record in records]) for target in TARGETS]
        error = mean([mean([record.values[f"images {target}"][1] for target in TARGETS]) for record in records])
        empty = [mean([rho(record, shown) for record in records]) for shown in ("black", "white", "noise")]
        spread = stdev([rho(record, "images") for record in records])
        name = Marked(group, styles[group.padding])
        rows.append([name, len(records), records[0].images, *each, spread, error, *empty])
    return Table(TITLE, columns, rows, starts([group.network for group in found]))


def draw(found: dict[Group, list[MeasureRecord]]) -> Drawing:
    """A panel for each network, a row for each scheme."""
    networks = list(dict.fromkeys(group.network for group in found))
    styles = palette.styles([group.padding for group in found])

    def fill(axes: Axes, network: str) -> None:
        groups = [group for group in found if group.network == network]
        for row, group in enumerate(groups):
            colour = styles[group.padding].placeholder
            for shown, face in (("images", colour), ("black", "none")):
                values = [rho(record, shown) for record in found[group]]
                axes.plot(values, [row] * len(values), "o", markersize=6, color=colour, markerfacecolor=face)
        axes.set_yticks(range(len(groups)), [group.padding for group in groups], parse_math=False)
        axes.set_ylim(len(groups) - 0.4, -0.6)
        axes.grid(False, axis="y")
        axes.set_title(network, loc="left", parse_math=False)
        axes.set_xlabel("Spearman's rho, mean of three targets")

    rows = max(sum(group.network == network for group in found) for network in networks)
    return grid_of_panels(fill, networks, (5.4, 0.32 * rows + 1.1), TITLE)
