"""The figure beside Table 1: how much longer each scheme takes than zero padding, first and later iterations."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from studies.page import palette
from studies.page.drawing import Drawing, grid_of_panels
from studies.runs.collect import REFERENCE
from studies.timing.lines import FIRST, LATER, Line, quartiles
from studies.timing.record import NULL

TITLES = {FIRST: "first iteration", LATER: "later iterations"}

WIDTH, ROW, FRAME = 5.4, 0.42, 1.1
"""Of a panel in inches: its width, the height of a scheme's row, and that of title and axis."""

Panel = Sequence[Line]
"""The lines of one case and one kind of iteration, zero padding among them."""


def draw_panels(panels: Mapping[str, Panel], columns: int = 2) -> Drawing:
    """A panel for each title, `columns` in a row."""
    height = ROW * max(len(panel) - 1 for panel in panels.values()) + FRAME
    title = f"Inference time: {'; '.join(panels)}"
    return grid_of_panels(_draw, list(panels.items()), (WIDTH, height), title, columns=columns)


def _draw(axes: Axes, item: tuple[str, Panel]) -> None:
    title, panel = item
    shown = [line for line in panel if line.scheme != REFERENCE]
    styles = palette.styles([line.scheme for line in panel if line.scheme != NULL])
    axes.axvline(100, color=palette.MUTED, linewidth=1)
    for row, line in enumerate(shown):
        _draw_row(axes, row, line, styles[line.colour])
    axes.set_yticks(range(len(shown)), [line.scheme for line in shown], parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.grid(False, axis="y")
    axes.tick_params(axis="y", length=0, labelcolor=palette.INK)
    axes.set_title(title, loc="left", parse_math=False)
    axes.set_xlabel("% of the time under zero padding")
    axes.set_axisbelow(True)


def _draw_row(axes: Axes, row: int, line: Line, style: palette.Style) -> None:
    low, high = quartiles(line.relative)
    axes.plot([low, high], [row, row], color=style.placeholder, linewidth=7, alpha=0.25, solid_capstyle="butt")
    if line.interval:
        axes.plot(line.interval, [row, row], color=style.placeholder, linewidth=2)
    face = "none" if line.scheme == NULL else style.placeholder
    axes.plot([line.percent], [row], marker="o", markersize=7, color=style.placeholder, markerfacecolor=face)
    if line.paper:
        axes.plot(
            [line.paper["relative"]], [row], marker="D", markersize=6, color=palette.MUTED, markerfacecolor="none"
        )
