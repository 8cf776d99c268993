"""The position probe of the runs: a line for each network and scheme, and a dot for each run."""

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

TITLE = "Position that can be read from frozen maps"

TARGETS = ("horizontal", "vertical", "gaussian")

READING = (
    "Spearman's rho between position and what a linear 3x3 readout of five stages gives, on images that it was not "
    "fitted on: 0 is no position, 1 is position. h, v, g: horizontal, vertical, Gaussian. MAE: mean absolute error, "
    "mean of the three, of a range of 0 to 1. black, white, noise: mean rho of the three on images without content, "
    "where the border alone can tell. Means over runs, standard deviation of the mean rho."
)

CAPTION = "Mean rho over three targets: filled on images, open on black. A dot a run. Less position is to the left."


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `probe.csv`, `.md` and `.svg`; None where no run was measured."""
    return of_runs(collection, output, "probe", TITLE, READING, make_table, draw, CAPTION)


def rho(record: MeasureRecord, shown: str) -> float:
    """Mean over the targets."""
    return mean([record.values[f"{shown} {target}"][0] for target in TARGETS])


def make_table(found: Found) -> Table:
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


def draw(found: Found) -> Drawing:
    """A panel for each network, a row for each scheme."""

    def plot(axes: Axes, row: int, records: Sequence[MeasureRecord], colour: str) -> None:
        for shown, face in (("images", colour), ("black", "none")):
            values = [rho(record, shown) for record in records]
            axes.plot(values, [row] * len(values), "o", markersize=6, color=colour, markerfacecolor=face)

    return rows_by_scheme(found, plot, "Spearman's rho, mean of three targets", TITLE)
