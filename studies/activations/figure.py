"""Activation maps beside the images they belong to, as one PNG: a row an image, a column a layer and scheme."""

import io
from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from PIL import Image

from studies.activations.side_by_side import Beside
from studies.page.drawing import draw_png

SIDE = 1.32
"""Width of a map with its margin, in inches."""
LABEL, TITLES = 0.2, 1.15
"""Heights in inches: of an image's label; of all titles of a network with its colour scales."""

COLOURS = "inferno"


def draw(found: Sequence[Beside]) -> bytes:
    """PNG of all networks, one below the other, on white."""
    pictures = [[Image.open(io.BytesIO(image.png)) for image in beside.first.images] for beside in found]
    columns = [1 + len(beside.first.maps) * len(beside.records) for beside in found]
    heights = [TITLES + sum(SIDE * each.height / each.width + LABEL for each in images) for images in pictures]

    def fill(canvas: Canvas) -> None:
        parts = canvas.subfigures(len(found), height_ratios=heights, squeeze=False).flat
        for part, beside, images in zip(parts, found, pictures, strict=True):
            _draw_network(part, beside, images, max(columns))

    return draw_png(fill, (max(columns) * SIDE, sum(heights)), font_size=8)


def _draw_network(part: SubFigure, beside: Beside, images: Sequence[Image.Image], columns: int) -> None:
    part.suptitle(beside.network, x=0.01, ha="left", weight="bold", fontsize=12)
    # The last row is that of the colour scales, below their layers and thin.
    grid = part.add_gridspec(len(images) + 1, columns, height_ratios=[1] * len(images) + [0.07])
    places = np.array(
        [[part.add_subplot(grid[row, column]) for column in range(columns)] for row in range(len(images))]
    )
    for place in places.flat:
        place.set_axis_off()
    first, schemes = beside.first, len(beside.records)
    for place, image, shown in zip(places[:, 0], images, first.images, strict=True):
        place.imshow(image, interpolation="bicubic")
        place.text(0.5, -0.03, shown.label[:20], transform=place.transAxes, ha="center", va="top")
    for number, layer in enumerate(first.maps):
        columns = slice(1 + number * schemes, 1 + (number + 1) * schemes)
        own = places[:, columns]
        every = [values for record in beside.records.values() for values in record.maps[layer]]
        ends = {"vmin": min(values.min() for values in every), "vmax": max(values.max() for values in every)}
        size = " x ".join(map(str, every[0].shape))
        own[0, 0].set_title(f"{layer}  ({size})\n", loc="left", weight="bold", fontsize=9)
        for column, (run, record) in zip(own.T, beside.records.items(), strict=True):
            column[0].set_title(run.record.padding, fontsize=9)
            for place, image, values in zip(column, images, record.maps[layer], strict=True):
                # Positions stay visible as squares: at the border a smooth picture would mix the ring with its
                # neighbours.
                extent = (0, image.width, image.height, 0)
                drawn = place.imshow(values, COLOURS, interpolation="nearest", extent=extent, **ends)
        bar = part.colorbar(drawn, cax=part.add_subplot(grid[-1, columns]), orientation="horizontal")
        bar.outline.set_visible(False)
