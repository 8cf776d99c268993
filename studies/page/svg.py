"""Figures as SVG whose colours follow the reader's light or dark theme, inside a page or as a file of their own."""

import io
import re
from collections.abc import Callable

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from studies.page import palette

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


def render(fill: Callable[[Figure], None], size: tuple[float, float], title: str, inline: str | None = None) -> str:
    """SVG of what `fill` draws into an empty figure, in the placeholder colours of `palette`.

    Args:
        size: width and height in inches.
        title: for readers who do not see the picture.
        inline: for a picture inside a page, a prefix that keeps its ids apart from those of other pictures; the page
            gives the colours. Without it the picture is a file of its own, with both.
    """
    with mpl.rc_context(SETTINGS):
        figure = Figure(figsize=size, layout="constrained")
        fill(figure)
        svg = _save(figure)
    return palette.themed(_as_inline(svg, inline, title) if inline else _as_file(svg))


def line_style(style: palette.Style) -> dict[str, object]:
    """Keyword arguments of a line in a scheme's colour and dashes."""
    dash = "solid" if style.dash == "none" else (0, tuple(float(part) / 2 for part in style.dash.split()))
    return {"color": style.placeholder, "linestyle": dash, "linewidth": 2}


def sample_line(scheme: str, style: palette.Style) -> Line2D:
    """A legend's line of a scheme."""
    # A label that begins with an underscore would be hidden.
    return Line2D([], [], label=scheme.lstrip("_") or scheme, **line_style(style))


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
