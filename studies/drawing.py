"""Curves as SVG: a picture whose colours follow the reader's light or dark theme."""

import io
import math
import re
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from studies import palette
from studies.curves import CurvePoint

Panel = Mapping[str, Sequence[CurvePoint]]
"""Scheme to its curve."""

PANEL_SIZE = (5.4, 3.5)
"""Width and height in inches."""

SETTINGS = {
    # Text stays text: it can be searched, and takes the page's font.
    "svg.fonttype": "none",
    # Names inside the file depend on this instead of chance, so that the same runs give the same bytes.
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
    "grid.color": palette.GRID,
    "grid.linewidth": 0.8,
    "xtick.color": palette.MUTED,
    "ytick.color": palette.MUTED,
    "text.color": palette.INK,
    "legend.frameon": False,
}


def draw_panels(
    panels: Mapping[str, Panel], styles: Mapping[str, palette.Style], label: str, inline: str | None = None
) -> str:
    """SVG with one panel an architecture, two in a row.

    Args:
        label: of the y axis.
        inline: for a picture inside a page, a prefix that keeps its ids apart from those of other pictures; the page
            gives the legend and the colours. Without it the picture is a file of its own, with both.
    """
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    with mpl.rc_context(SETTINGS):
        legend_height = 0 if inline else 0.45
        size = (PANEL_SIZE[0] * columns, PANEL_SIZE[1] * rows + legend_height)
        figure = Figure(figsize=size, layout="constrained")
        for number, (network, panel) in enumerate(panels.items(), start=1):
            _draw(figure.add_subplot(rows, columns, number), network, panel, styles, label)
        if not inline:
            lines = [_sample(scheme, style) for scheme, style in styles.items()]
            legend = figure.legend(handles=lines, loc="outside lower center", ncols=min(5, len(lines)))
            for text in legend.get_texts():
                text.set_parse_math(False)
        svg = _save(figure)
    title = f"{label} by epoch: {', '.join(panels)}"
    return palette.themed(_as_inline(svg, inline, title) if inline else _as_file(svg))


def _draw(axes: Axes, network: str, panel: Panel, styles: Mapping[str, palette.Style], label: str) -> None:
    for scheme, points in panel.items():
        style = styles[scheme]
        epochs = [point.epoch for point in points]
        if any(point.n > 1 for point in points):
            low, high = [point.lowest for point in points], [point.highest for point in points]
            axes.fill_between(epochs, low, high, color=style.placeholder, alpha=0.18, linewidth=0)
        # A single epoch has no line to see.
        marker = "o" if len(points) == 1 else None
        axes.plot(epochs, [point.mean for point in points], marker=marker, **_line(style))
    # Dollar signs in a name would be read as mathematics.
    axes.set_title(network, loc="left", parse_math=False)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_axisbelow(True)


def _line(style: palette.Style) -> dict[str, object]:
    dash = "solid" if style.dash == "none" else (0, tuple(float(part) / 2 for part in style.dash.split()))
    return {"color": style.placeholder, "linestyle": dash, "linewidth": 2}


def _sample(scheme: str, style: palette.Style) -> Line2D:
    # A label that begins with an underscore would be hidden.
    return Line2D([], [], label=scheme.lstrip("_") or scheme, **_line(style))


def _save(figure: Figure) -> str:
    buffer = io.StringIO()
    # Without metadata the file holds no date and names no server.
    nothing = dict.fromkeys(["Creator", "Date", "Format", "Type"])
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    return buffer.getvalue()


def _as_file(svg: str) -> str:
    light, dark = palette.variables(dark=False), palette.variables(dark=True)
    ground = "svg { background: #ffffff; } @media (prefers-color-scheme: dark) { svg { background: #14171b; } }"
    style = f"<style>:root {{ {light} }} @media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }} {ground}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda match: match.group() + style, svg, count=1)


def _as_inline(svg: str, prefix: str, title: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\sid="([^"]+)"', rf' id="{prefix}-\1"', svg)
    svg = re.sub(r'(url\(|href=")#', rf"\1#{prefix}-", svg)
    # In a page neither namespace is needed, and a size in points would keep the picture from shrinking.
    view = re.search(r'viewBox="[^"]+"', svg).group()
    escaped = title.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return re.sub(r"<svg[^>]*>", lambda _: f'<svg {view} role="img" aria-label="{escaped}">', svg, count=1)
