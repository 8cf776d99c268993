"""Tables and pictures of the records of `main.py geometry`: uneven layers, foveation, response to constants.

Alsallakh et al., Mind the Pad: CNNs can develop blind spots, ICLR 2021, https://arxiv.org/abs/2010.02178.
"""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.figure import Figure as Canvas

from studies.geometry.record import BLACK, NOISE, GeometryRecord
from studies.page import palette
from studies.page.blocks import Figure, Section
from studies.page.drawing import Drawing
from studies.page.heat import grid_of_maps, matrix, scale
from studies.page.measured import blocks_of, of_folder
from studies.page.tables import Column, Marked, Table, decimals, starts

TITLE = "Geometry: padding without training"
FOLDER = "geometry"

FLOOR = 1e-6
"""Response below which the figure shows none: that small, it is rounding in single precision."""


def section(records: Sequence[GeometryRecord], output: Path, problems: Sequence[str] = ()) -> Section:
    """Returns the section; writes `geometry_even`, `_foveation`, `_constant` (.csv, .md), and two .svg per record."""
    tables = {"even": even_table(records), "foveation": foveation_table(records), "constant": constant_table(records)}
    tables = {name: table for name, table in tables.items() if table.rows}
    files = [file for name, table in tables.items() for file in table.write(output, f"geometry_{name}")]
    figures = []
    for record in records:
        drawn = {"foveation": foveation_maps(record)} if record.foveation else {}
        drawn |= {"constant": constant_responses(record)} if record.responses else {}
        stem = f"geometry_{record.network}-{record.size}".replace("/", "_")
        files += [drawing.write(output / f"{stem}_{name}.svg") for name, drawing in drawn.items()]
        figures += [Figure([drawing], CAPTIONS[name], drawing.title) for name, drawing in drawn.items()]
    conditions = [sizes(record) for record in records]
    blocks = blocks_of(records, problems, QUESTION, figures, READING, [*tables.values()], conditions)
    return Section(TITLE, blocks, files)


QUESTION = (
    "What does the border do to a network before it has learned anything? How much does each pixel weigh in its last "
    "map, and what does it answer at the border to an image that is the same everywhere?"
)

READING = (
    "uneven: windows of the layer read more padded positions before its input than after it. foveation: how much each "
    "pixel weighs in the last map of the network of averages; left-right and top-bottom are 0 for a symmetric map, "
    "corner and edge are relative to the centre, 1 is no border at all. E: squared deviation of a constant image's map "
    "at the border from its centre, over the variance at the centre over noise images; 0 is best, and what schemes get "
    "that continue constants."
)

CAPTIONS = {
    "foveation": "White: a pixel weighs as much as the centre; blue less, red more. No border in sight is best.",
    "constant": "Squared deviation at the border from the centre, over the variance at the centre; darker is better, "
    "black is none.",
}


def sizes(record: GeometryRecord) -> str:
    """One line on a record: its number of uneven layers, and the nearest sizes at which every layer reads evenly."""
    below, above = record.even_sizes
    uneven = len({window.layer for window in record.windows if not window.even})
    near = " and ".join(str(size) for size in dict.fromkeys((below, above)) if size) or "none within 64 pixels"
    return f"{record.network} at {record.size}: {uneven} uneven layers; nearest sizes with none: {near}"


def even_table(records: Sequence[GeometryRecord]) -> Table:
    found = [(record, each) for record in records for each in record.windows if not each.even]
    names = ("Network", "size", "layer", "axis", "input", "kernel", "stride", "padding", "read before", "read after")
    rows = [
        [
            *(record.network, record.size, each.layer, each.axis, each.size, each.kernel, each.stride),
            *(f"{each.before}/{each.after}", each.read_before, each.read_after),
        ]
        for record, each in found
    ]
    return Table(
        "Layers that read their padding unevenly", [*map(Column, names)], rows, starts([row[:2] for row in rows])
    )


def foveation_table(records: Sequence[GeometryRecord]) -> Table:
    """A row per network and scheme."""
    columns = [Column("Network"), Column("size"), Column("scheme", only_csv=True)]
    columns += [Column(name, decimals(3)) for name in ("left-right", "top-bottom", "corner", "edge")]
    rows = []
    for record in records:
        styles = palette.styles(list(record.foveation))
        for scheme, each in record.foveation.items():
            name = Marked(f"{record.network}_{scheme}", styles[scheme])
            rows.append([name, record.size, scheme, each.left_right, each.top_bottom, each.corner, each.edge])
    return Table("Foveation of the network of averages", columns, rows, _blocks(records, "foveation"))


def constant_table(records: Sequence[GeometryRecord]) -> Table:
    """A row per network and scheme: the last layer, and the layer with the strongest response."""
    columns = [Column("Network"), Column("size"), Column("scheme", only_csv=True)]
    columns += [Column(name, _small) for name in ("E, last layer", "E, noise", "E, greatest")]
    columns += [Column("in layer"), Column("left-right", decimals(2)), Column("top-bottom", decimals(2))]
    rows = []
    for record in records:
        styles = palette.styles(list(record.responses))
        for scheme, found in record.responses.items():
            black = [each for each in found if each.input == BLACK]
            noise = [each for each in found if each.input == NOISE]
            most = max(black, key=lambda each: each.by_distance[0])
            values = [black[-1].by_distance[0], noise[-1].by_distance[0], most.by_distance[0], most.layer]
            name = Marked(f"{record.network}_{scheme}", styles[scheme])
            rows.append([name, record.size, scheme, *values, black[-1].left_right, black[-1].top_bottom])
    return Table("Response to a constant image at the border", columns, rows, _blocks(records, "responses"))


def _blocks(records: Sequence[GeometryRecord], name: str) -> list[int]:
    return starts([id(record) for record in records for _ in getattr(record, name)])


def _small(value: float) -> str:
    return "0" if value < 1e-9 else f"{value:.2g}"


def foveation_maps(record: GeometryRecord) -> Drawing:
    """Draws a map for each scheme; white is the weight of the centre."""
    maps = {scheme: found.cells for scheme, found in record.foveation.items()}
    words = f"Foveation of {record.network} at {record.size} pixels, by padding scheme"
    looks = {"fontsize": 9, "weight": "normal"}
    return grid_of_maps(maps, TwoSlopeNorm(1, 0, 2), "weight / centre", words, (1.35, 1.6), **looks)


def constant_responses(record: GeometryRecord) -> Drawing:
    """Draws the response E(0) to a black image at the border, schemes by layers, on a logarithmic scale."""
    schemes = list(record.responses)
    found = [[each for each in record.responses[scheme] if each.input == BLACK] for scheme in schemes]
    values = np.array([[max(each.by_distance[0], FLOOR) for each in row] for row in found])

    def fill(figure: Canvas) -> None:
        axes = figure.add_subplot()
        drawn = matrix(axes, values, schemes, "magma", LogNorm(FLOOR, max(10 * FLOOR, values.max())))
        axes.set_xlabel("padded convolution, from input to output")
        numbers = range(0, values.shape[1], max(1, values.shape[1] // 9))
        axes.set_xticks(numbers, [str(number + 1) for number in numbers])
        scale(figure, drawn, axes, "E(0)", [values])

    words = f"Response of {record.network} to a black image at the border"
    return Drawing(fill, (6.4, 0.24 * len(schemes) + 0.9), words)


study = partial(of_folder, folder=FOLDER, kind=GeometryRecord, title=TITLE, section=section)
