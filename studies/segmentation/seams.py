"""How steady the class of a pixel is while the border of the patch around it moves: meanE, disR, and by distance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.blocks import Section
from studies.page.drawing import PANEL_SIZE, Drawing, grid_of_panels, line_style
from studies.page.measured import Found, of_runs
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.runs.collect import Collection, Group
from studies.stats.spread import mean, stdev

NAME = "seams"
TITLE = "One pixel in several patches"

SHIFTS = 4
"""Patches a side whose common pixels meanE and disR are of."""

EDGES = (1, 2, 4, 8, 16, 32)
"""Of the bins of the distance to the nearer border of two patches, in pixels."""

BINS = ("0", "1", "2-3", "4-7", "8-15", "16-31", "32-")

READING = (
    f"Patches of about half the image's shorter side, {SHIFTS} x {SHIFTS} of them a multiple of the output stride "
    "apart. meanE: entropy of the classes that a pixel gets in all of them, in nats, mean over the pixels that all "
    "hold; disR: such pixels with more than one class, in percent (Mukai and Yamanaka, ICIP 2023). apart: pixels, in "
    "percent, to which two patches that overlap by half give different classes, by the distance in pixels to the "
    "nearer border; squared: squared difference of their logits over the logits' mean square, at distance 0. Less is "
    "steadier. Means over runs. The two patches show different surroundings, too, so this bounds the padding's share."
)
CAPTION = (
    "Different classes for one pixel in two patches, by distance to the nearer border; less is better, and zero "
    "padding is solid orange. Line: mean over runs; band: lowest to highest run."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `seams.csv`, `.md` and `.svg`; None where no run was measured."""
    return of_runs(collection, output, NAME, TITLE, READING, make_table, draw, CAPTION)


def make_table(found: Found) -> Table:
    """A line for each network and scheme."""
    columns = [Column("Network"), Column("n"), Column("images"), Column("meanE", decimals(4))]
    columns += [Column("disR", decimals(2)), Column("stdev", decimals(2)), Column("squared", decimals(3))]
    columns += [Column(f"apart {name}", decimals(2)) for name in BINS]
    styles = palette.styles([group.padding for group in found])
    rows = []
    for group, records in found.items():
        name = Marked(group, styles[group.padding])
        shares = [record.values["disR"][0] for record in records]
        row = [name, len(records), records[0].images, mean([record.values["meanE"][0] for record in records])]
        row += [mean(shares), stdev(shares), mean([record.values["squared"][0] for record in records])]
        rows.append([*row, *(None if np.isnan(each) else float(each) for each in curves(records).mean(0))])
    return Table(TITLE, columns, rows, starts([group.network for group in found]))


def curves(records: Sequence[MeasureRecord]) -> np.ndarray:
    """(runs, bins) disagreement in percent, NaN in a bin without pixels."""
    return np.array([record.values["apart"] for record in records], float)


def draw(found: Found) -> Drawing:
    """A panel for each network, a line for each scheme."""
    styles = palette.styles([group.padding for group in found])

    def fill(axes: Axes, network: str) -> None:
        for group in found:
            if group.network == network:
                _draw_group(axes, group, curves(found[group]), styles)
        axes.set_title(network, loc="left", parse_math=False)
        axes.set_xticks(range(len(BINS)), BINS)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("pixels to the nearer border of two patches")
        axes.set_ylabel("different class (%)")

    networks = list(dict.fromkeys(group.network for group in found))
    return grid_of_panels(fill, networks, PANEL_SIZE, TITLE, styles)


def _draw_group(axes: Axes, group: Group, values: np.ndarray, styles: dict[str, palette.Style]) -> None:
    style, places = styles[group.padding], range(len(BINS))
    if len(values) > 1:
        axes.fill_between(places, values.min(0), values.max(0), color=style.placeholder, alpha=0.18, linewidth=0)
    axes.plot(places, values.mean(0), marker="o", markersize=4, **line_style(style))
