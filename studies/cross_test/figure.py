"""Table 4 as a picture: a square a network, rows trained with, columns tested with, coloured by the difference."""

from collections.abc import Mapping, Sequence
from functools import partial

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from studies.cross_test.cells import Cell
from studies.page import palette
from studies.page.drawing import Drawing, grid_of_panels
from studies.runs.collect import scheme_order

LOSS, GAIN = palette.Style(4, "").placeholder, palette.Style(1, "").placeholder

STRONGEST = 0.7
"""Opacity of the largest difference: text must stay readable on it."""

CELL = (1.15, 0.72)
"""Width and height of a cell in inches."""


def draw(networks: Mapping[str, Sequence[Cell]], words: str) -> Drawing:
    """A square for each network; `words` says what the averages are."""
    most = max(abs(cell.diff or 0) for cells in networks.values() for cell in cells) or 1
    tested = max(len({cell.padding_at_test for cell in cells}) for cells in networks.values())
    trained = max(len({cell.padding for cell in cells}) for cells in networks.values())
    size = (1.3 + CELL[0] * tested, 1.1 + CELL[1] * trained)
    title = f"Cross test, {words}: {', '.join(networks)}"
    return grid_of_panels(partial(_square, most=most), list(networks.values()), size, title)


def _square(axes: Axes, cells: Sequence[Cell], most: float) -> None:
    trained = sorted({cell.padding for cell in cells}, key=scheme_order)
    tested = sorted({cell.padding_at_test for cell in cells}, key=scheme_order)
    for cell in cells:
        x, y = tested.index(cell.padding_at_test), trained.index(cell.padding)
        corner, diff = (x + 0.03, y + 0.03), cell.diff or 0
        colour = LOSS if diff < 0 else GAIN
        axes.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=colour, alpha=STRONGEST * abs(diff) / most, linewidth=0))
        if cell.is_own:
            axes.add_patch(Rectangle(corner, 0.94, 0.94, fill=False, edgecolor=palette.MUTED, linewidth=1))
        middle = {"ha": "center", "va": "center"}
        axes.text(x + 0.5, y + (0.5 if cell.diff is None else 0.4), f"{cell.average:.2f}", fontsize=12, **middle)
        if cell.diff is not None:
            axes.text(x + 0.5, y + 0.73, f"{cell.diff:+.2f}", fontsize=9, **middle)
    axes.set_xlim(0, len(tested))
    # Downwards, as the rows of a table.
    axes.set_ylim(len(trained), 0)
    axes.set_xticks([x + 0.5 for x in range(len(tested))], tested, parse_math=False)
    axes.set_yticks([y + 0.5 for y in range(len(trained))], trained, parse_math=False)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("tested with")
    axes.set_ylabel("trained with")
    axes.set_title(cells[0].network, loc="left", parse_math=False)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.set_aspect(CELL[1] / CELL[0], anchor="NW")
    for spine in axes.spines.values():
        spine.set_visible(False)
