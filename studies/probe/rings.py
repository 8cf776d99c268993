"""Mean and variance of what enters each normalisation, by ring: how far the border's statistics are from the inside."""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.blocks import Section
from studies.page.drawing import PANEL_SIZE, Drawing, grid_of_panels, line_style
from studies.page.measured import Found, of_runs
from studies.page.tables import Column, Marked, Table, decimals, starts
from studies.runs.collect import Collection
from studies.stats.spread import mean

NAME = "rings"
TITLE = "Statistics at the border before each normalisation"

QUANTITIES = {"shift": "shift of the mean at the border (sd)", "variance": "variance at the border / inside"}

READING = (
    "A normalisation has one mean and one variance a channel for the whole map. shift: how far the channels' means at "
    "a distance of 0, 1 and 2 positions from the border lie from those of the map's inner half, in standard deviations "
    "inside (0 is best); variance: the variance there over that inside (1 is best). Means over the normalisations and "
    "over runs; the figure shows each normalisation at the border. Photographs themselves are not alike everywhere, so "
    "the first normalisation's values are no fault of padding alone."
)
CAPTION = (
    "What enters each normalisation, from the first to the last, at the outermost ring against the map's inner half; "
    "mean over runs. Left: 0 is best; right: 1 is best. Zero padding is solid orange."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `rings.csv`, `.md` and `.svg`; None where no run was measured."""
    return of_runs(collection, output, NAME, TITLE, READING, make_table, draw, CAPTION)


def layers(record: MeasureRecord, quantity: str, ring: int) -> list[float]:
    """A value a normalisation that has the ring, in order."""
    chosen = [each for name, each in record.values.items() if name.startswith(f"{quantity} ")]
    return [each[ring] for each in chosen if ring < len(each) and each[ring] is not None]


def curve(records: Sequence[MeasureRecord], quantity: str) -> list[float]:
    """A mean over the runs at the border for each normalisation, NaN where none varies."""
    names = [name for name in records[0].values if name.startswith(f"{quantity} ")]
    columns = ([each for record in records if (each := record.values[name][0]) is not None] for name in names)
    return [mean(known) if known else math.nan for known in columns]


def make_table(found: Found) -> Table:
    """A line for each network and scheme."""
    columns = [Column("Network"), Column("n"), Column("images"), Column("layers")]
    columns += [Column(f"{quantity} {ring}", decimals(3)) for quantity in QUANTITIES for ring in range(3)]
    styles = palette.styles([group.padding for group in found])
    rows = []
    for group, records in found.items():
        row = [Marked(group, styles[group.padding]), len(records), records[0].images]
        row.append(len(layers(records[0], "shift", 0)))
        for quantity in QUANTITIES:
            for ring in range(3):
                values = [mean(each) for record in records if (each := layers(record, quantity, ring))]
                row.append(mean(values) if values else None)
        rows.append(row)
    return Table(TITLE, columns, rows, starts([group.network for group in found]))


def draw(found: Found) -> Drawing:
    """Two panels for each network, a line for each scheme."""
    styles = palette.styles([group.padding for group in found])

    def fill(axes: Axes, panel: tuple[str, str]) -> None:
        network, quantity = panel
        for group, records in found.items():
            if group.network == network:
                values = curve(records, quantity)
                axes.plot(
                    range(1, len(values) + 1), values, marker="o", markersize=3, **line_style(styles[group.padding])
                )
        axes.set_title(network, loc="left", parse_math=False)
        axes.set_xlabel("normalisation")
        axes.set_ylabel(QUANTITIES[quantity])
        axes.set_ylim(bottom=0)

    panels = [
        (network, quantity) for network in dict.fromkeys(group.network for group in found) for quantity in QUANTITIES
    ]
    return grid_of_panels(fill, panels, PANEL_SIZE, TITLE, styles)
