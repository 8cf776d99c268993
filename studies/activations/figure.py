"""Activation maps beside the images they belong to, as one PNG: a row an image, a column a layer and scheme."""

import io
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image

from studies.activations.side_by_side import Beside

SIDE = 1.25
"""Width of a map, in inches."""
PIXELS = 120
"""Of an inch."""
GAP, LAYER_GAP, LEFT = 0.06, 0.28, 0.12
TITLE, HEAD, BAR, LABEL = 0.38, 0.5, 0.5, 0.2
"""Heights in inches: of a network's title, of the names above its columns, of the colour scales below, of a label."""

COLOURS = "inferno"


def draw(found: Sequence[Beside]) -> bytes:
    """PNG of all networks, one below the other, on white."""
    width = max(_width(beside) for beside in found)
    heights = [_height(beside) for beside in found]
    with mpl.rc_context({"font.family": ["sans-serif"], "text.parse_math": False}):
        figure = Figure(figsize=(width, sum(heights)), dpi=PIXELS, facecolor="white")
        FigureCanvasAgg(figure)
        top = sum(heights)
        for beside, height in zip(found, heights, strict=True):
            _draw_network(figure, beside, top)
            top -= height
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _aspect(beside: Beside) -> float:
    """Height over width of the tallest image."""
    sizes = [_open(image.png).size for image in beside.records[0].images]
    return max(height / width for width, height in sizes)


def _row(beside: Beside) -> float:
    return SIDE * _aspect(beside) + LABEL


def _width(beside: Beside) -> float:
    layers, schemes = len(beside.records[0].maps), len(beside.runs)
    return 2 * LEFT + SIDE + layers * (LAYER_GAP + schemes * (SIDE + GAP))


def _height(beside: Beside) -> float:
    return TITLE + HEAD + len(beside.records[0].images) * _row(beside) + BAR


def _draw_network(figure: Figure, beside: Beside, top: float) -> None:
    first = beside.records[0]
    _text(figure, LEFT, top - 0.27, beside.network, weight="bold", fontsize=12)
    start = top - TITLE - HEAD
    for number, image in enumerate(first.images):
        bottom = start - (number + 1) * _row(beside) + LABEL
        axes = _axes(figure, LEFT, bottom, SIDE, SIDE * _aspect(beside))
        axes.imshow(_open(image.png), interpolation="bicubic")
        _text(figure, LEFT + SIDE / 2, bottom - 0.14, image.label[:20], ha="center", fontsize=8)
    left = LEFT + SIDE + LAYER_GAP
    for layer in first.maps:
        _draw_layer(figure, beside, layer, left, start)
        left += LAYER_GAP + len(beside.runs) * (SIDE + GAP)


def _draw_layer(figure: Figure, beside: Beside, layer: str, left: float, top: float) -> None:
    every = [values for record in beside.records for values in record.maps[layer]]
    low, high = min(float(values.min()) for values in every), max(float(values.max()) for values in every)
    wide = len(beside.runs) * (SIDE + GAP) - GAP
    size = " x ".join(map(str, every[0].shape))
    _text(figure, left, top + 0.28, f"{layer}  ({size})", weight="bold", fontsize=9)
    drawn = None
    for column, (run, record) in enumerate(zip(beside.runs, beside.records, strict=True)):
        x = left + column * (SIDE + GAP)
        _text(figure, x + SIDE / 2, top + 0.07, run.record.padding, ha="center", fontsize=9)
        for number, (image, values) in enumerate(zip(record.images, record.maps[layer], strict=True)):
            bottom = top - (number + 1) * _row(beside) + LABEL
            axes = _axes(figure, x, bottom, SIDE, SIDE * _aspect(beside))
            width, height = _open(image.png).size
            # Positions stay visible as squares: at the border a smooth picture would mix the ring with its neighbours.
            drawn = axes.imshow(
                values, COLOURS, vmin=low, vmax=high, interpolation="nearest", extent=(0, width, height, 0)
            )
    _scale(figure, drawn, left, top - len(beside.records[0].images) * _row(beside) - 0.16, wide)


def _scale(figure: Figure, drawn: AxesImage, left: float, bottom: float, wide: float) -> None:
    bar = figure.colorbar(drawn, cax=_axes(figure, left, bottom, wide, 0.09), orientation="horizontal")
    bar.ax.set_axis_on()
    bar.ax.tick_params(labelsize=7, length=2)
    bar.outline.set_visible(False)


def _axes(figure: Figure, left: float, bottom: float, width: float, height: float):
    total_width, total_height = figure.get_size_inches()
    axes = figure.add_axes((left / total_width, bottom / total_height, width / total_width, height / total_height))
    axes.set_axis_off()
    return axes


def _text(figure: Figure, x: float, y: float, text: str, **how: object) -> None:
    width, height = figure.get_size_inches()
    figure.text(x / width, y / height, text, **how)


def _open(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))
