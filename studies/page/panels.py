"""Panels of curves, one an architecture: mean lines and the band between the lowest and the highest run."""

import math
from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from studies.page import palette, svg
from studies.stats.curves import CurvePoint

Panel = Mapping[str, Sequence[CurvePoint]]
"""Scheme to its curve."""

PANEL_SIZE = (5.4, 3.5)
"""Width and height in inches."""


def draw_panels(
    panels: Mapping[str, Panel], styles: Mapping[str, palette.Style], label: str, inline: str | None = None
) -> str:
    """SVG with one panel an architecture, two in a row.

    Args:
        label: of the y axis.
        inline: as of `svg.render`; the page then gives the legend.
    """
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)

    def fill(figure: Figure) -> None:
        for number, (network, panel) in enumerate(panels.items(), start=1):
            _draw(figure.add_subplot(rows, columns, number), network, panel, styles, label)
        if not inline:
            add_legend(figure, styles)

    size = (PANEL_SIZE[0] * columns, PANEL_SIZE[1] * rows + (0 if inline else 0.45))
    return svg.render(fill, size, f"{label} by epoch: {', '.join(panels)}", inline)


def add_legend(figure: Figure, styles: Mapping[str, palette.Style]) -> None:
    """The schemes' lines below all panels."""
    lines = [svg.sample_line(scheme, style) for scheme, style in styles.items()]
    legend = figure.legend(handles=lines, loc="outside lower center", ncols=min(5, len(lines)))
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw(axes: Axes, network: str, panel: Panel, styles: Mapping[str, palette.Style], label: str) -> None:
    for scheme, points in panel.items():
        style = styles[scheme]
        epochs = [point.epoch for point in points]
        if any(point.n > 1 for point in points):
            low, high = [point.lowest for point in points], [point.highest for point in points]
            axes.fill_between(epochs, low, high, color=style.placeholder, alpha=0.18, linewidth=0)
        # A single epoch has no line to see.
        marker = "o" if len(points) == 1 else None
        axes.plot(epochs, [point.mean for point in points], marker=marker, **svg.line_style(style))
    # Dollar signs in a name would be read as mathematics.
    axes.set_title(network, loc="left", parse_math=False)
    axes.set_xlabel("epoch")
    axes.set_ylabel(label, parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_axisbelow(True)
