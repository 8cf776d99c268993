"""The position probe of the runs: a row per network and scheme, and a dot per run."""

from functools import partial

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page.measured import Cells, Records, RunsStudy, rows_by_scheme
from studies.page.tables import Column, decimals
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


def rho(record: MeasureRecord, shown: str) -> float:
    """Spearman's rho, mean over the targets."""
    return mean([record.values[f"{shown} {target}"][0] for target in TARGETS])


def lines(records: Records) -> dict[str, Cells]:
    values = {f"rho {name[0]}": mean([each.values[f"images {name}"][0] for each in records]) for name in TARGETS}
    values["stdev"] = stdev([rho(each, "images") for each in records])
    values["MAE"] = mean([mean([each.values[f"images {target}"][1] for target in TARGETS]) for each in records])
    values |= {shown: mean([rho(each, shown) for each in records]) for shown in ("black", "white", "noise")}
    return {"": {Column(heading, decimals(3)): value for heading, value in values.items()}}


def plot(axes: Axes, row: int, records: Records, colour: str) -> None:
    for shown, face in (("images", colour), ("black", "none")):
        values = [rho(record, shown) for record in records]
        axes.plot(values, [row] * len(values), "o", markersize=6, color=colour, markerfacecolor=face)


draw = partial(rows_by_scheme, plot=plot, label="Spearman's rho, mean of three targets", title=TITLE)
study = RunsStudy("probe", TITLE, READING, CAPTION, lines, draw)
