"""Figure 3: the mean curve over the seeds of each scheme, and how far the runs lie apart, a panel an architecture.

The band reaches from the lowest to the highest run. With the few runs that there are, that is what was seen; a standard
deviation of two or three runs would suggest more.
"""

from pathlib import Path

from records import write_text
from studies.page import html, palette
from studies.page.panels import Panel, draw_panels
from studies.page.section import Section
from studies.page.tables import Column, Table, decimals
from studies.runs.collect import Collection, Group
from studies.stats.curves import CurvePoint, curve

TITLE = "Convergence (Figure 3)"

SHORT = 15
"""Epochs below which a curve is shown once, as a whole."""


def study(collection: Collection, output: Path) -> Section:
    """Figure 3 as a section; writes `figure3.svg`, `figure3.csv` and `figure3.md`."""
    curves = {group: curve(group, collection.metric) for group in collection.groups}
    styles = palette.styles(collection.schemes)
    label = f"{collection.metric} (%)"
    panels: dict[str, Panel] = {}
    for network in collection.networks:
        panel = {group.padding: curves[group] for group in collection.of(network)}
        panels[network] = panel
        if end := last_part(panel):
            panels[f"{network}, last epochs"] = end
    picture = output / "figure3.svg"
    write_text(picture, draw_panels(panels, styles, label))
    files = [picture, *_table(curves).write(output, "figure3")]
    drawn = "".join(
        f"<div>{draw_panels({network: panel}, styles, label, inline=f'figure3-{number}')}</div>"
        for number, (network, panel) in enumerate(panels.items())
    )
    body = html.legend(styles) + html.figure(f'<div class="panels">{drawn}</div>', caption(collection))
    return Section(TITLE, body, [], files)


def last_part(panel: Panel) -> Panel | None:
    """The last third of the epochs, where schemes differ by less than a line's width in the whole; None if short."""
    last = max(point.epoch for points in panel.values() for point in points)
    if last < SHORT:
        return None
    return {scheme: [point for point in points if point.epoch > last * 2 // 3] for scheme, points in panel.items()}


def caption(collection: Collection) -> str:
    """What line and band are, and n for each curve."""
    counts = {len(group.runs) for group in collection.groups}
    if len(counts) == 1:
        n = f"n = {counts.pop()} for every curve"
    else:
        n = "n: " + ", ".join(f"{group.name} {len(group.runs)}" for group in collection.groups)
    return (
        f"Line: mean of {collection.metric} over the runs of a scheme at the end of each epoch. Band: from the lowest "
        f"to the highest run, none for a single run. {n}."
    )


def _table(curves: dict[Group, list[CurvePoint]]) -> Table:
    columns = [
        Column("architecture"),
        Column("scheme"),
        Column("epoch"),
        Column("mean", decimals(3)),
        Column("std", decimals(3)),
        Column("n"),
        Column("lowest", decimals(3)),
        Column("highest", decimals(3)),
    ]
    rows = [
        [group.network, group.padding, point.epoch, point.mean, point.std, point.n, point.lowest, point.highest]
        for group, points in curves.items()
        for point in points
    ]
    return Table(TITLE, columns, rows)
