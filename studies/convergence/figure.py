"""Figure 3: the mean curve of each scheme over its seeds, and the range of its runs, one panel per architecture.

The band reaches from the lowest to the highest run, which is all that a few runs show; a standard deviation of two or
three runs would suggest more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from studies.page import palette
from studies.page.blocks import Figure, Section
from studies.page.drawing import PANEL_SIZE, Drawing, draw_curve, entitle, grid_of_panels
from studies.page.tables import Column, Table, decimals
from studies.runs.collect import Collection, Group
from studies.stats.spread import mean, stdev

TITLE = "Convergence (Figure 3)"

SHORT = 15
"""Number of epochs below which there is no second panel for the last epochs."""


@dataclass(frozen=True)
class CurvePoint:
    """One point of a group's curve, in percent; epochs count from 1, as on the axis, and `std` is None for one run."""

    epoch: int
    mean: float
    std: float | None
    n: int
    lowest: float
    highest: float


def curve(group: Group, metric: str) -> list[CurvePoint]:
    """Mean and spread of `metric` at every epoch that any run of `group` has."""
    curves = [run.curve(metric) for run in group.runs]
    points = []
    for epoch in sorted({epoch for each in curves for epoch in each}):
        found = [each[epoch] for each in curves if epoch in each]
        points.append(CurvePoint(epoch + 1, mean(found), stdev(found), len(found), min(found), max(found)))
    return points


Panel = Mapping[str, Sequence[CurvePoint]]
"""Maps a scheme to its curve."""


def study(collection: Collection, output: Path) -> Section:
    """Returns Figure 3 as a section; writes `figure3.svg`, `figure3.csv` and `figure3.md`."""
    curves = {group: curve(group, collection.metric) for group in collection.groups}
    styles = palette.styles(collection.schemes)
    label = f"{collection.metric} (%)"
    panels: dict[str, Panel] = {}
    for network in collection.networks:
        panel = {group.padding: curves[group] for group in collection.of(network)}
        panels[network] = panel
        if end := last_part(panel):
            panels[f"{network}, last epochs"] = end
    picture = draw_panels(panels, styles, label).write(output / "figure3.svg")
    drawn = [draw_panels({network: panel}, styles, label) for network, panel in panels.items()]
    files = [picture, *_table(curves).write(output, "figure3")]
    return Section(TITLE, [Figure(drawn, caption(collection))], files)


def draw_panels(panels: Mapping[str, Panel], styles: Mapping[str, palette.Style], label: str) -> Drawing:
    """Draws one panel per architecture; `label` is the label of the y axis."""
    title = f"{label} by epoch: {', '.join(panels)}"
    return grid_of_panels(partial(_draw, styles=styles, label=label), list(panels.items()), PANEL_SIZE, title, styles)


def _draw(axes: Axes, item: tuple[str, Panel], styles: Mapping[str, palette.Style], label: str) -> None:
    network, panel = item
    for scheme, points in panel.items():
        epochs, means, _, counts, *ends = zip(*map(astuple, points), strict=True)
        # A line through a single epoch would be invisible.
        marker = "o" if len(points) == 1 else None
        draw_curve(axes, epochs, means, ends if max(counts) > 1 else None, styles[scheme], marker=marker)
    entitle(axes, network)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))


def last_part(panel: Panel) -> Panel | None:
    """The last third of the epochs, where the full panel's lines overlap; None for fewer than SHORT epochs."""
    last = max(point.epoch for points in panel.values() for point in points)
    if last < SHORT:
        return None
    return {scheme: [point for point in points if point.epoch > last * 2 // 3] for scheme, points in panel.items()}


def caption(collection: Collection) -> str:
    """The caption, which explains line and band, and gives n for each curve."""
    n = "n: " + ", ".join(f"{group} {len(group.runs)}" for group in collection.groups)
    if len({len(group.runs) for group in collection.groups}) == 1:
        n = f"n = {len(collection.groups[0].runs)} for every curve"
    return (
        f"Line: mean of {collection.metric} over the runs of a scheme at the end of each epoch. Band: from the lowest "
        f"to the highest run, none for a single run. {n}."
    )


def _table(curves: dict[Group, list[CurvePoint]]) -> Table:
    columns = [Column("architecture"), Column("scheme"), Column("epoch")]
    columns += [Column("mean", decimals(3)), Column("std", decimals(3)), Column("n")]
    columns += [Column("lowest", decimals(3)), Column("highest", decimals(3))]
    rows = [[group.network, group.padding, *astuple(point)] for group, points in curves.items() for point in points]
    return Table(TITLE, columns, rows)
