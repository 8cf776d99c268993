"""Panels of curves over the distance to the border: mean lines and the band between the lowest and the highest run."""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from studies.page import palette, svg
from studies.page.panels import PANEL_SIZE, add_legend
from studies.page.scheme_rows import Sample
from studies.stats.spread import mean


class Curves(Protocol):
    """What one panel shows: a value a bin and run."""

    title: str
    bins: Sequence[str]
    schemes: Mapping[str, Sequence[Sample]]


def draw(panels: Sequence[Curves], styles: Mapping[str, palette.Style], inline: str | None = None) -> str:
    """SVG with the panels, two in a row.

    Args:
        inline: as of `svg.render`; the page then gives the legend.
    """
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)

    def fill(figure: Figure) -> None:
        for number, panel in enumerate(panels, start=1):
            _draw(figure.add_subplot(rows, columns, number), panel, styles)
        if not inline:
            add_legend(figure, styles)

    size = (PANEL_SIZE[0] * columns, PANEL_SIZE[1] * rows + (0 if inline else 0.45))
    title = f"mIoU by distance to the nearest border: {'; '.join(panel.title for panel in panels)}"
    return svg.render(fill, size, title, inline)


def _draw(axes: Axes, panel: Curves, styles: Mapping[str, palette.Style]) -> None:
    for scheme, samples in panel.schemes.items():
        # A bin without pixels leaves a gap.
        columns = [[math.nan if value is None else value for value in column] for column in _columns(samples)]
        places, style = range(len(panel.bins)), styles[scheme]
        if len(samples) > 1:
            low, high = [min(column) for column in columns], [max(column) for column in columns]
            axes.fill_between(places, low, high, color=style.placeholder, alpha=0.18, linewidth=0)
        axes.plot(places, [mean(column) for column in columns], marker="o", markersize=4, **svg.line_style(style))
    # Dollar signs in a name would be read as mathematics.
    axes.set_title(panel.title, loc="left", parse_math=False)
    axes.set_xticks(range(len(panel.bins)), panel.bins, rotation=30)
    axes.set_xlabel("pixels to the nearest border")
    axes.set_ylabel("mIoU (%)")
    axes.set_axisbelow(True)


def _columns(samples: Sequence[Sample]) -> list[tuple[float | None, ...]]:
    return list(zip(*(sample.values for sample in samples), strict=True))
