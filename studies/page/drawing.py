"""Figures as SVG whose colours follow the reader's light or dark theme, inside a page or as separate files."""

import io
import math
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from records import write_text
from studies.page import palette
from studies.page.palette import Style

SETTINGS = {
    # Text stays text: it can be searched, and takes the page's font.
    "svg.fonttype": "none",
    # Makes the ids inside the file reproducible instead of random, so that the same runs give the same bytes.
    "svg.hashsalt": "figure",
    "font.family": ["sans-serif"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": palette.MUTED,
    "axes.labelcolor": palette.INK,
    "axes.titlecolor": palette.INK,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.grid": True,
    # Otherwise the grid crosses the dots and bands.
    "axes.axisbelow": True,
    "grid.color": palette.GRID,
    "grid.linewidth": 0.8,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "text.color": palette.INK,
    "legend.frameon": False,
}

Values = Sequence[float]

PANEL_SIZE = (5.4, 3.5)
"""Width and height of a panel of curves, in inches."""


@dataclass(frozen=True)
class Drawing:
    """A figure that is drawn when it is rendered, in the placeholder colours of `palette`.

    Attributes:
        fill: function that draws into an empty figure.
        size: width and height in inches.
        title: text for readers who do not see the picture.
        legend: schemes in the legend, which is below the panels in a file, and above them on the page.
    """

    fill: Callable[[Figure], None]
    size: tuple[float, float]
    title: str
    legend: Mapping[str, Style] = field(default_factory=dict)

    def write(self, path: Path) -> Path:
        """Writes an SVG file with its own colours and legend; returns the path."""
        light, dark = palette.variables(dark=False), palette.variables(dark=True)
        ground = "svg { background: #ffffff; } @media (prefers-color-scheme: dark) { svg { background: #14171b; } }"
        css = f"<style>:root {{{light}}} @media (prefers-color-scheme: dark) {{ :root {{{dark}}} }} {ground}</style>"
        svg = re.sub(r"(<svg[^>]*>)", lambda match: match.group() + css, self._draw(bool(self.legend)), count=1)
        write_text(path, palette.themed(svg))
        return path

    def inline(self, prefix: str) -> str:
        """Returns SVG for use inside a page, which has the colours and the legend.

        Args:
            prefix: prefix of the ids, different for every picture on the page.
        """
        svg = self._draw(with_legend=False)
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r'\sid="([^"]+)"', rf' id="{prefix}-\1"', svg)
        svg = re.sub(r'(url\(|href=")#', rf"\1#{prefix}-", svg)
        # In a page no namespace is needed, and a size in points would keep the picture from shrinking.
        view = re.search(r'viewBox="[^"]+"', svg).group()
        # At most a quarter larger than drawn: text of 11 pt is then 18 px high, close to the page's 16 px.
        most = f'style="max-width: {round(1.25 * 96 * self.size[0])}px"'
        head = f'<svg {view} {most} role="img" aria-label={quoteattr(self.title)}>'
        return palette.themed(re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1))

    def _draw(self, with_legend: bool) -> str:
        with mpl.rc_context(SETTINGS):
            figure = Figure(figsize=self.size, layout="constrained")
            self.fill(figure)
            if with_legend:
                _add_legend(figure, self.legend)
            buffer = io.StringIO()
            # Without metadata the file holds no date and no web address.
            nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
            figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
        return buffer.getvalue()


def draw_png(
    fill: Callable[[Figure], None], size: tuple[float, float], font_size: float = 9, pixels: int = 120
) -> bytes:
    """Draws photographs or maps as a PNG on white, since SVG would embed them as larger ones; `size` in inches."""
    # Dollar signs in a name would be read as mathematics.
    with mpl.rc_context({"font.family": ["sans-serif"], "text.parse_math": False, "font.size": font_size}):
        figure = Figure(figsize=size, dpi=pixels, facecolor="white", layout="constrained")
        fill(figure)
        buffer = io.BytesIO()
        # Without metadata the same pictures give the same bytes in every version of matplotlib.
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def grid_of_panels(
    draw: Callable[[Axes, Any], None],
    items: Sequence[Any],
    size: tuple[float, float],
    title: str,
    legend: Mapping[str, Style] | None = None,
) -> Drawing:
    """Draws one panel per item, at most two in a row; `size` is the size of a panel, in inches."""
    columns = min(2, len(items))
    rows = math.ceil(len(items) / columns)

    def fill(figure: Figure) -> None:
        for number, item in enumerate(items, start=1):
            draw(figure.add_subplot(rows, columns, number), item)

    return Drawing(fill, (size[0] * columns, size[1] * rows), title, legend or {})


def entitle(axes: Axes, text: str) -> None:
    """Sets a panel's heading, wrapped to the panel's width: a longer line would leave the axes no room."""
    # Dollar signs in a name would be read as mathematics.
    axes.set_title(textwrap.fill(text, 46), loc="left", parse_math=False)


def line_style(style: Style) -> dict[str, object]:
    """Keyword arguments of a line in a scheme's colour and dashes."""
    dash = "solid" if style.dash == "none" else (0, tuple(float(part) / 2 for part in style.dash.split()))
    return {"color": style.placeholder, "linestyle": dash, "linewidth": 2}


def draw_curve(axes: Axes, x: Values, means: Values, ends: Sequence[Values] | None, style: Style, **looks) -> None:
    """Draws a scheme's line through `means`, on the band between `ends`: lowest and highest run, None for one run."""
    if ends is not None:
        axes.fill_between(x, *ends, color=style.placeholder, alpha=0.18, linewidth=0)
    axes.plot(x, means, **line_style(style), **looks)


def _add_legend(figure: Figure, styles: Mapping[str, Style]) -> None:
    # matplotlib hides a label that begins with an underscore.
    names = {scheme.lstrip("_") or scheme: style for scheme, style in styles.items()}
    lines = [Line2D([], [], label=name, **line_style(style)) for name, style in names.items()]
    for columns in range(min(5, len(lines)), 0, -1):
        legend = figure.legend(handles=lines, loc="outside lower center", ncols=columns)
        for text in legend.get_texts():
            text.set_parse_math(False)
        # A wider legend would be cut off on both sides.
        if columns == 1 or legend.get_window_extent().width <= figure.bbox.width:
            break
        legend.remove()
    # Otherwise the legend's rows would take their height from the panels.
    figure.set_figheight(figure.get_figheight() + 0.45 + 0.22 * (math.ceil(len(lines) / columns) - 1))
