"""Figure 1: the accuracy of every network under each scheme, side by side, with every run shown."""

import textwrap
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from studies.page import palette
from studies.page.blocks import Figure, Section
from studies.page.drawing import Drawing
from studies.runs.collect import Collection, Group
from studies.runs.statistic import BEST
from studies.stats.intervals import interval
from studies.stats.spread import mean

SPREAD = 0.16
"""Largest distance between the columns of neighbouring schemes, in units of the x axis: networks lie 1 apart."""

ROOM = 0.96
"""Width for the columns of all schemes of a network, in the same units: less than 1, so that networks stay apart."""


def study(collection: Collection, output: Path) -> Section:
    """Returns Figure 1 as a section; writes `figure1.svg`."""
    title = f"{collection.metric} of all networks" + (" (Figure 1)" if collection.metric == "val/acc1" else "")
    drawing = draw(collection)
    return Section(title, [Figure([drawing], _caption(collection))], [drawing.write(output / "figure1.svg")])


def draw(collection: Collection) -> Drawing:
    """Draws a column of dots for each network and scheme."""
    schemes, styles = collection.schemes, palette.styles(collection.schemes)
    spread = min(SPREAD, ROOM / len(schemes))

    def fill(canvas: Canvas) -> None:
        axes = canvas.add_subplot()
        for place, network in enumerate(collection.networks):
            for group in collection.of(network):
                # The schemes of a network stand side by side, each in the same place for every network.
                x = place + spread * (schemes.index(group.padding) - (len(schemes) - 1) / 2)
                _draw_group(axes, x, spread / 2.6, group, collection.metric, styles[group.padding].placeholder)
        names = [textwrap.fill(network, 16) for network in collection.networks]
        axes.set_xticks(range(len(names)), names, parse_math=False)
        axes.set_xlim(-0.6, len(collection.networks) - 0.4)
        axes.set_ylabel(f"{collection.metric} (%), best epoch", parse_math=False)
        axes.grid(axis="x", visible=False)

    # The page shrinks a wider figure until its text cannot be read.
    width = min(max(5.4, max(1.6, 0.25 * len(schemes)) * len(collection.networks)), 16)
    return Drawing(fill, (width, 3.8), f"{collection.metric} by network and scheme", styles)


def _draw_group(axes: Axes, x: float, half: float, group: Group, metric: str, colour: str) -> None:
    values = BEST.values(group, metric)
    if found := interval(values):
        axes.vlines(x, *found, color=colour, linewidth=2)
    axes.hlines(mean(values), x - half, x + half, color=colour, linewidth=3)
    axes.plot([x] * len(values), values, "o", color=colour, markersize=4, alpha=0.6)
    if theirs := _of_the_paper(group, metric):
        axes.plot([x], [theirs], "D", color=colour, markerfacecolor="none", markersize=7)


def _of_the_paper(group: Group, metric: str) -> float | None:
    row = BEST.paper_row(group, metric)
    return row and row["average"]


def _caption(collection: Collection) -> str:
    words = (
        "Dot: the best epoch of a run. Bar: their mean, with Student's 95 % interval where there are two runs or more. "
        "The axis does not begin at 0."
    )
    if any(_of_the_paper(group, collection.metric) for group in collection.groups):
        words += " Diamond: the paper's average."
    return words
