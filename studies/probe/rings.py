"""Mean and variance of each normalisation's input by ring: how far the border's statistics are from those inside."""

import math
from functools import partial

from matplotlib.axes import Axes

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.drawing import line_style
from studies.page.measured import Cells, Records, RunsStudy, curves_by_scheme
from studies.page.tables import Column, decimals
from studies.stats.spread import mean

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


def layers(record: MeasureRecord, quantity: str, ring: int) -> list[float]:
    """One value per normalisation whose maps have the ring, in order."""
    chosen = [each for name, each in record.values.items() if name.startswith(f"{quantity} ")]
    return [each[ring] for each in chosen if ring < len(each) and each[ring] is not None]


def curve(records: Records, quantity: str) -> list[float]:
    """The mean over the runs at the border for each normalisation; NaN if no run has a value."""
    names = [name for name in records[0].values if name.startswith(f"{quantity} ")]
    columns = ([each for record in records if (each := record.values[name][0]) is not None] for name in names)
    return [mean(known) if known else math.nan for known in columns]


def lines(records: Records) -> dict[str, Cells]:
    cells = {Column("layers"): len(layers(records[0], "shift", 0))}
    for quantity in QUANTITIES:
        for ring in range(3):
            values = [mean(each) for record in records if (each := layers(record, quantity, ring))]
            cells[Column(f"{quantity} {ring}", decimals(3))] = mean(values) if values else None
    return {"": cells}


def plot(axes: Axes, schemes: list[tuple[palette.Style, Records]], quantity: str) -> None:
    for style, records in schemes:
        values = curve(records, quantity)
        axes.plot(range(1, len(values) + 1), values, marker="o", markersize=3, **line_style(style))
    axes.set_xlabel("normalisation")
    axes.set_ylabel(QUANTITIES[quantity])
    axes.set_ylim(bottom=0)


draw = partial(curves_by_scheme, plot=plot, title=TITLE, parts=dict.fromkeys(QUANTITIES, ""))
study = RunsStudy("rings", TITLE, READING, CAPTION, lines, draw)
