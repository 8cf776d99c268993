"""How uneven accuracy is over an object's position: numbers per network, scheme and canvas, and maps."""

import numpy as np
from matplotlib.colors import Normalize

from records.checkpoint import MeasureRecord
from studies.page.drawing import Drawing
from studies.page.heat import grid_of_maps
from studies.page.measured import Cells, Found, Records, RunsStudy
from studies.page.tables import Column, decimals, signed
from studies.stats.spread import mean

TITLE = "Accuracy by the position of an object"

SHOWN = "mean"
"""Canvas of the maps."""

READING = (
    "Each image is shrunk to a third and pasted on a grid of positions. accuracy: mean over the cells, in percent. sd: "
    "standard deviation over the cells, in points; border and corner: mean of those cells minus the central cell. 0 is "
    "a network that is as good everywhere. Means over runs; a network without position information would have 0."
)

CAPTION = f"Canvas of the {SHOWN} colour, mean over runs: accuracy minus that of the central cell, in points."

COLUMNS = (
    *(Column(name, decimals(2)) for name in ("accuracy", "sd")),
    *(Column(name, signed(2)) for name in ("border", "corner")),
)


def grid(record: MeasureRecord, canvas: str) -> np.ndarray:
    """The accuracies on a canvas, (G, G)."""
    return np.array(record.values[canvas]).reshape(record.how["grid"], -1)


def central(values: np.ndarray) -> float:
    """The value of the central cell; of an even grid, the mean of the four central cells."""
    middle = slice((len(values) - 1) // 2, len(values) // 2 + 1)
    return float(values[middle, middle].mean())


def unevenness(values: np.ndarray) -> tuple[float, float, float, float]:
    """Mean, standard deviation over cells, border minus centre, corner minus centre, of accuracies (G, G)."""
    inside = np.zeros(values.shape, bool)
    inside[1:-1, 1:-1] = True
    centre = central(values)
    corner = values[[0, 0, -1, -1], [0, -1, 0, -1]].mean()
    return values.mean(), values.std(), values[~inside].mean() - centre, corner - centre


def lines(records: Records) -> dict[str, Cells]:
    found = {}
    for canvas in records[0].values:
        numbers = [unevenness(grid(each, canvas)) for each in records]
        means = [mean(list(map(float, column))) for column in zip(*numbers, strict=True)]
        found[canvas] = dict(zip(COLUMNS, means, strict=True))
    return found


def draw(found: Found) -> Drawing:
    maps = {str(group): np.mean([grid(each, SHOWN) for each in records], 0) for group, records in found.items()}
    maps = {name: values - central(values) for name, values in maps.items()}
    # One point at least, since maps without any difference would have no colour scale.
    most = max(1.0, *(float(abs(values).max()) for values in maps.values()))
    titles = {(name.replace("_", "_\n", 1) if len(name) > 18 else name): values for name, values in maps.items()}
    return grid_of_maps(titles, Normalize(-most, most), "points from the centre", TITLE, (1.5, 1.8), fontsize=8)


study = RunsStudy("position", TITLE, READING, CAPTION, lines, draw, each="canvas", apart=True)
