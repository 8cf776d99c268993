"""The geometry of one network as two pictures: foveation maps, and what layers make of a constant image."""

import math

import numpy as np
from matplotlib.colors import LogNorm, TwoSlopeNorm
from matplotlib.figure import Figure

from studies.geometry.record import BLACK, GeometryRecord
from studies.page.drawing import Drawing
from studies.page.heat import cells, matrix, scale

COLUMNS, SIDE = 6, 1.35
"""Maps in a row; width and height of one in inches."""

FLOOR = 1e-6
"""Below this a response is drawn as none: rounding in single precision."""


def foveation_maps(record: GeometryRecord) -> Drawing:
    """A map for each scheme: white is the weight of the centre."""
    rows = math.ceil(len(record.foveation) / COLUMNS)

    def fill(figure: Figure) -> None:
        places = figure.subplots(rows, COLUMNS, squeeze=False)
        norm = TwoSlopeNorm(1, 0, 2)
        for place in places.flat:
            place.set_axis_off()
        for place, (scheme, found) in zip(places.flat, record.foveation.items(), strict=False):
            drawn = cells(place, found.cells, "RdBu_r", norm)
            place.set_aspect("equal")
            place.set_title(scheme, fontsize=9, parse_math=False, weight="normal")
        scale(figure, drawn, list(places.flat), "weight / centre")

    words = f"Foveation of {record.network} at {record.size} pixels, by padding scheme"
    return Drawing(fill, (COLUMNS * SIDE + 0.9, rows * (SIDE + 0.25)), words)


def constant_responses(record: GeometryRecord) -> Drawing:
    """Schemes by layers: the response to a black image at the border, on a logarithmic scale."""
    schemes = list(record.responses)
    found = [[each for each in record.responses[scheme] if each.input == BLACK] for scheme in schemes]
    values = np.array([[max(each.by_distance[0], FLOOR) for each in row] for row in found])

    def fill(figure: Figure) -> None:
        axes = figure.add_subplot()
        drawn = matrix(axes, values, schemes, "magma", LogNorm(FLOOR, max(10 * FLOOR, values.max())))
        axes.set_xlabel("padded convolution, from input to output")
        numbers = range(0, values.shape[1], max(1, values.shape[1] // 9))
        axes.set_xticks(numbers, [str(number + 1) for number in numbers])
        scale(figure, drawn, axes, "E(0), black image")

    words = f"Response of {record.network} to a black image at the border"
    return Drawing(fill, (6.4, 0.24 * len(schemes) + 0.9), words)
