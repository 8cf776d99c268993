"""Matrices as coloured cells: schemes by layers, or the positions of a map."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from studies.page import palette
from studies.page.drawing import Drawing

COLUMNS = 6
"""Maps per row."""


def cells(axes: Axes, values: np.ndarray, colours: str, norm: Normalize):
    """Draws a matrix (rows, columns) as coloured cells, as one pixel per cell in an SVG; returns the picture."""
    # "none" keeps one pixel per cell, which the viewer enlarges without smoothing.
    drawn = axes.imshow(values, cmap=colours, norm=norm, interpolation="none", aspect="auto")
    axes.grid(False)
    axes.tick_params(length=0, labelcolor=palette.INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return drawn


def matrix(axes: Axes, values: np.ndarray, rows: Sequence[str], colours: str, norm: Normalize):
    """Draws a matrix as `cells`, with a name for each row."""
    drawn = cells(axes, values, colours, norm)
    axes.set_yticks(range(len(rows)), rows, parse_math=False, fontsize=9)
    return drawn


def scale(figure: Figure, drawn, axes: Sequence[Axes] | Axes, words: str, values: Sequence[np.ndarray]) -> None:
    """Draws a colour scale to the right of `axes`, with an arrow at an end that some of `values` lie beyond."""
    everything = np.concatenate([np.ravel(each) for each in values])
    beyond = np.nanmin(everything) < drawn.norm.vmin, np.nanmax(everything) > drawn.norm.vmax
    extend = {(True, True): "both", (True, False): "min", (False, True): "max"}.get(beyond, "neither")
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=25, pad=0.02, extend=extend)
    bar.set_label(words, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def grid_of_maps(
    maps: Mapping[str, np.ndarray], norm: Normalize, label: str, words: str, sides: tuple[float, float], **looks: Any
) -> Drawing:
    """Draws each map under its heading; one colour scale, white in the middle, has the `label`.

    Args:
        words: text for readers who do not see the picture.
        sides: width and height of a map with its heading, in inches.
        looks: text settings of the headings.
    """
    columns = min(len(maps), COLUMNS)
    rows = math.ceil(len(maps) / COLUMNS)

    def fill(figure: Figure) -> None:
        places = figure.subplots(rows, columns, squeeze=False)
        for place in places.flat:
            place.set_axis_off()
        for place, (heading, values) in zip(places.flat, maps.items(), strict=False):
            drawn = cells(place, values, "RdBu_r", norm)
            place.set_aspect("equal")
            place.set_title(heading, parse_math=False, **looks)
        # All maps have one norm, so the scale of the last one holds for each.
        scale(figure, drawn, list(places.flat), label, list(maps.values()))

    return Drawing(fill, (columns * sides[0] + 0.9, rows * sides[1]), words)
