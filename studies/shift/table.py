"""Shift consistency of the runs: a row per network and scheme, and a dot per run."""

from functools import partial

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page.measured import Cells, Records, RunsStudy, rows_by_scheme
from studies.page.tables import Column, decimals
from studies.stats.spread import mean, stdev

TITLE = "Consistency under shifts"

READING = (
    "consistent: images, in percent, whose decision is the same for two crops at random offsets; circular: for two "
    "circular shifts of the central crop, where only circular padding sees no new border; both: more is steadier. "
    "top-1, prob.: accuracy and mean probability of the right class over crops along the diagonal; sd of prob.: its "
    "standard deviation over these crops, mean over images, in points; less is steadier. Mean and standard deviation "
    "over runs."
)

CAPTION = "A dot a run, a bar the mean of a scheme. To the right is steadier; zero padding is first for comparison."


def consistency(record: MeasureRecord) -> float:
    return mean(record.values["consistency"])


def lines(records: Records) -> dict[str, Cells]:
    same = [consistency(each) for each in records]
    cells = {"consistent": mean(same), "stdev": stdev(same)}
    for heading, name in {"circular": "circular", "top-1": "top1", "prob.": "p", "sd of prob.": "sd"}.items():
        cells[heading] = mean([mean(each.values[name]) for each in records])
    return {"": {Column(heading, decimals(2)): value for heading, value in cells.items()}}


def plot(axes: Axes, row: int, records: Records, colour: str) -> None:
    values = [consistency(each) for each in records]
    axes.plot(values, [row] * len(values), "o", markersize=5, color=colour, alpha=0.7)
    axes.plot([mean(values)], [row], "|", markersize=16, markeredgewidth=3, color=colour)


draw = partial(rows_by_scheme, plot=plot, label="same decision for two crops, %", title=TITLE)
study = RunsStudy("shift", TITLE, READING, CAPTION, lines, draw)
