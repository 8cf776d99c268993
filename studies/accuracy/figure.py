"""Figure 1: the accuracy of every network under each scheme, side by side, with every run shown."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from records import write_text
from studies.accuracy.table import BEST, group_values
from studies.page import html, palette, svg
from studies.page.panels import add_legend
from studies.page.section import Section
from studies.page.tables import Column, Table, blocks, decimals
from studies.runs import paper
from studies.runs.collect import Collection, Group
from studies.stats.intervals import interval
from studies.stats.spread import mean

STEM = "figure1"

SPREAD = 0.16
"""Distance between the columns of two schemes of one network, in units of the axis."""


def study(collection: Collection, output: Path) -> Section:
    """Figure 1 as a section; writes `figure1.svg`, and its means and intervals as `figure1.csv` and `.md`."""
    title = f"{collection.metric} of all networks" + (" (Figure 1)" if collection.metric == "val/acc1" else "")
    picture = output / f"{STEM}.svg"
    write_text(picture, draw(collection))
    styles = palette.styles(collection.schemes)
    body = html.legend(styles) + html.figure(draw(collection, inline=STEM), _caption(collection))
    return Section(title, body, [], [*_table(collection, title).write(output, STEM), picture])


def draw(collection: Collection, inline: str | None = None) -> str:
    """A column of dots for each network and scheme."""
    styles = palette.styles(collection.schemes)

    def fill(figure: Figure) -> None:
        axes = figure.add_subplot()
        for place, network in enumerate(collection.networks):
            for group in collection.of(network):
                _draw_group(axes, place + _offset(group, collection), group, collection.metric, styles[group.padding])
        axes.set_xticks(range(len(collection.networks)), collection.networks, parse_math=False)
        axes.set_xlim(-0.6, len(collection.networks) - 0.4)
        axes.set_ylabel(f"{collection.metric} (%), best epoch", parse_math=False)
        axes.grid(axis="x", visible=False)
        axes.set_axisbelow(True)
        if not inline:
            add_legend(figure, styles)

    width = max(5.4, 1.6 * len(collection.networks))
    return svg.render(fill, (width, 3.8), f"{collection.metric} by network and scheme", inline)


def _offset(group: Group, collection: Collection) -> float:
    schemes = collection.schemes
    return SPREAD * (schemes.index(group.padding) - (len(schemes) - 1) / 2)


def _draw_group(axes: Axes, x: float, group: Group, metric: str, style: palette.Style) -> None:
    values = group_values(group, metric, BEST)
    if found := interval(values):
        axes.vlines(x, *found, color=style.placeholder, linewidth=2)
    axes.hlines(mean(values), x - SPREAD / 2.6, x + SPREAD / 2.6, color=style.placeholder, linewidth=3)
    axes.plot([x] * len(values), values, "o", color=style.placeholder, markersize=4, alpha=0.6)
    if theirs := _of_the_paper(group, metric):
        axes.plot([x], [theirs], "D", color=style.placeholder, markerfacecolor="none", markersize=7)


def _of_the_paper(group: Group, metric: str) -> float | None:
    row: paper.Row | None = BEST.paper_row(group, metric)
    return row and row["average"]


def _caption(collection: Collection) -> str:
    words = (
        "Dot: the best epoch of a run. Bar: their mean, with Student's 95 % interval where there are two runs or more. "
        "The axis does not begin at 0."
    )
    if any(_of_the_paper(group, collection.metric) for group in collection.groups):
        words += " Diamond: the paper's average."
    return words


def _table(collection: Collection, title: str) -> Table:
    columns = [
        Column("Network"),
        Column("mean", decimals(3)),
        Column("low", decimals(3)),
        Column("high", decimals(3)),
        Column("n"),
        Column("paper", decimals(3)),
    ]
    rows = []
    for group in collection.groups:
        values = group_values(group, collection.metric, BEST)
        low, high = interval(values) or (None, None)
        rows.append([group, mean(values), low, high, len(values), _of_the_paper(group, collection.metric)])
    return Table(title, columns, rows, blocks([group.network for group in collection.groups]))
