"""Figure 5: activations summed over channels, the padding schemes side by side, and how strong they are at the border.

Section 4.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718: the paper shows two layers of VGG19
and finds the strongest responses of zero padding at the border. Here the maps come from records that `main.py
activations` writes into the run folders.
"""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.figure import SubFigure
from PIL import Image

from records.atomic import write_atomically
from records.checkpoint import ActivationRecord
from studies.activations.side_by_side import Beside, border_and_interior, border_ratio, ratios, side_by_side
from studies.page.blocks import Details, Figure, Raster, Section, Text
from studies.page.drawing import draw_png
from studies.page.tables import Column, Table, decimals, starts
from studies.runs.collect import Collection
from studies.stats.spread import mean

STEM = "figure5"
TITLE = "Activations summed over channels (Figure 5)"

SIDE = 1.32
"""Width of a map with its margin, in inches."""
LABEL, TITLES = 0.2, 1.15
"""Heights in inches: one image's label; all titles and colour scales of a network."""

COLOURS = "inferno"


def study(collection: Collection, output: Path) -> Section | None:
    """Returns Figure 5 as a section, or None if no run has maps.

    Writes `figure5.csv` and `.md` (every image), `figure5_ratio.csv` and `.md` (means over images), `figure5.png`.
    """
    found = side_by_side(collection)
    if not found:
        return None
    every, means = images_table(found), ratio_table(found)
    picture = output / f"{STEM}.png"
    png = draw(found)
    write_atomically(picture, lambda file: file.write(png))
    figure = Figure([Raster(png, TITLE)], _caption(found))
    files = [*every.write(output, STEM), *means.write(output, f"{STEM}_ratio"), picture]
    return Section(TITLE, [Text(READING), means, figure, Details("Every image", [every])], files)


READING = (
    "border / interior: the mean of the summed activations over the outermost ring of positions, over the mean of all "
    "others; above 1 the border responds more strongly than the rest. One run of each scheme, a few images: an "
    "illustration, no test."
)


def images_table(found: Sequence[Beside]) -> Table:
    """A row per layer, image and scheme: means of the outermost ring and of the interior, and their ratio."""
    rows = []
    for beside, layer in _layers(found):
        for run, record in beside.records.items():
            for image, values in zip(record.images, record.maps[layer], strict=True):
                numbers = (*border_and_interior(values), border_ratio(values))
                which = [beside.network, layer, run.record.padding, run.record.seed, image.label, _size(values)]
                rows.append([*which, *numbers, image.path])
    columns = [Column(name) for name in ("Network", "layer", "padding", "seed", "image", "map")]
    columns += [Column(name, decimals(3)) for name in ("border", "interior", "border / interior")]
    columns.append(Column("file", only_csv=True))
    return Table("Border and interior of each map", columns, rows, starts([(row[0], row[1]) for row in rows]))


def ratio_table(found: Sequence[Beside]) -> Table:
    """A row per network and layer, a column per scheme: border / interior, mean over the images."""
    schemes = list(dict.fromkeys(run.record.padding for beside in found for run in beside.records))
    rows = []
    for beside, layer in _layers(found):
        maps = beside.first.maps[layer]
        means = {run.record.padding: _mean_ratio(record, layer) for run, record in beside.records.items()}
        rows.append([beside.network, layer, _size(maps[0]), len(maps), *map(means.get, schemes)])
    columns = [Column(name) for name in ("Network", "layer", "map", "images")]
    columns += [Column(scheme, decimals(3)) for scheme in schemes]
    title = "Border / interior of summed activations, mean over the images (Figure 5)"
    return Table(title, columns, rows, starts([row[0] for row in rows]))


def _mean_ratio(record: ActivationRecord, layer: str) -> float | None:
    known = [ratio for ratio in ratios(record, layer) if not math.isnan(ratio)]
    return mean(known) if known else None


def _layers(found: Sequence[Beside]) -> list[tuple[Beside, str]]:
    return [(beside, layer) for beside in found for layer in beside.first.maps]


def _size(values: np.ndarray) -> str:
    return " x ".join(map(str, values.shape))


def _caption(found: Sequence[Beside]) -> str:
    runs = "; ".join(
        f"{beside.network}: " + ", ".join(f"{run.record.padding} seed {run.record.seed}" for run in beside.records)
        for beside in found
    )
    return (
        "Left: the image as the network sees it. Then for each layer the map of each scheme, resized to the image; all "
        f"maps of a layer share one colour scale. {runs}."
    )


def draw(found: Sequence[Beside]) -> bytes:
    """Draws all networks, one below the other, as a PNG on white."""
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
    # The last, thin row holds the colour scales, each below its layer.
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
