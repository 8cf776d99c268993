"""Matrices as coloured cells: schemes by layers, or the positions of a map."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from studies.page import palette


def cells(axes: Axes, values: np.ndarray, colours: str, norm: Normalize):
    """Draws (rows, columns) as squares of their colour, in an SVG as small as the matrix; returns the picture."""
    # "none" keeps a pixel a cell, which the viewer enlarges without smoothing.
    drawn = axes.imshow(values, cmap=colours, norm=norm, interpolation="none", aspect="auto")
    axes.grid(False)
    axes.tick_params(length=0, labelcolor=palette.INK)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return drawn


def matrix(axes: Axes, values: np.ndarray, rows: Sequence[str], colours: str, norm: Normalize):
    """`cells` with a name for each row."""
    drawn = cells(axes, values, colours, norm)
    axes.set_yticks(range(len(rows)), rows, parse_math=False, fontsize=9)
    return drawn


def scale(figure: Figure, drawn, axes: Sequence[Axes] | Axes, words: str) -> None:
    """A colour scale to the right of `axes`."""
    bar = figure.colorbar(drawn, ax=axes, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label(words, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
