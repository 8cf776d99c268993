"""Accuracy by the position of an object: how uneven it is, for each network, scheme and canvas, and as maps."""

import math
from pathlib import Path

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure as Canvas

from records.checkpoint import MeasureRecord
from studies.page import palette
from studies.page.blocks import Section
from studies.page.drawing import Drawing
from studies.page.heat import cells, scale
from studies.page.measured import Found, of_runs
from studies.page.tables import Column, Marked, Table, decimals, signed, starts
from studies.runs.collect import Collection
from studies.stats.spread import mean

TITLE = "Accuracy by the position of an object"

SHOWN, COLUMNS, SIDE = "mean", 6, 1.5
"""Canvas of the maps; maps in a row; width of one in inches."""

READING = (
    "Each image is shrunk to a third and pasted on a grid of positions. accuracy: mean over the cells, in percent. sd: "
    "standard deviation over the cells, in points; border and corner: mean of those cells minus the central cell. 0 is "
    "a network that is as good everywhere. Means over runs; a network without position information would have 0."
)

CAPTION = f"Canvas of the {SHOWN} colour, mean over runs: accuracy minus that of the central cell, in points."


def study(collection: Collection, output: Path) -> Section | None:
    """Writes `position.csv`, `.md` and `.svg`; None where no run was measured."""
    return of_runs(collection, output, "position", TITLE, READING, make_table, draw, CAPTION)


def grid(record: MeasureRecord, canvas: str) -> np.ndarray:
    """(G, G) accuracies."""
    return np.array(record.values[canvas]).reshape(record.how["grid"], -1)


def central(values: np.ndarray) -> float:
    """Of the cell in the middle; of an even grid the mean of the four there."""
    middle = slice((len(values) - 1) // 2, len(values) // 2 + 1)
    return float(values[middle, middle].mean())


def unevenness(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, standard deviation over cells, border minus centre, corner minus centre, of accuracies (G, G)."""
    inside = np.zeros(values.shape, bool)
    inside[1:-1, 1:-1] = True
    centre = central(values)
    corner = values[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    return values.mean(), values.std(), values[~inside].mean() - centre, corner - centre


def make_table(found: Found) -> Table:
    """A line for each network, scheme and canvas."""
    columns = [Column("Network"), Column("canvas"), Column("n"), Column("images")]
    columns += [Column(name, decimals(2)) for name in ("accuracy", "sd")]
    columns += [Column(name, signed(2)) for name in ("border", "corner")]
    styles = palette.styles([group.padding for group in found])
    rows = []
    for group, records in found.items():
        for canvas in records[0].values:
            numbers = [unevenness(grid(each, canvas)) for each in records]
            means = [mean(list(map(float, column))) for column in zip(*numbers, strict=True)]
            rows.append([Marked(group, styles[group.padding]), canvas, len(records), records[0].images, *means])
    return Table(TITLE, columns, rows, starts([group for group, records in found.items() for _ in records[0].values]))


def draw(found: Found) -> Drawing:
    """A map for each network and scheme."""
    maps = {str(group): np.mean([grid(each, SHOWN) for each in records], 0) for group, records in found.items()}
    maps = {name: values - central(values) for name, values in maps.items()}
    most = max(1.0, *(float(abs(values).max()) for values in maps.values()))
    rows = math.ceil(len(maps) / COLUMNS)

    def fill(figure: Canvas) -> None:
        places = figure.subplots(rows, COLUMNS, squeeze=False)
        for place in places.flat:
            place.set_axis_off()
        for place, (name, values) in zip(places.flat, maps.items(), strict=False):
            drawn = cells(place, values, "RdBu_r", Normalize(-most, most))
            place.set_aspect("equal")
            place.set_title(name.replace("_", "_\n", 1) if len(name) > 18 else name, fontsize=8, parse_math=False)
        scale(figure, drawn, list(places.flat), "points from the centre")

    return Drawing(fill, (COLUMNS * SIDE + 0.9, rows * (SIDE + 0.3)), TITLE)
