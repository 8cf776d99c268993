"""Table 4 as a picture: a square a network, rows trained with, columns tested with, coloured by the difference."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from studies.page import palette, svg
from studies.runs.collect import scheme_order

if TYPE_CHECKING:
    from studies.cross_test.table import Cell

LOSS, GAIN = palette.Style(4, "").placeholder, palette.Style(1, "").placeholder

STRONGEST = 0.7
"""Opacity of the largest difference: text must stay readable on it."""

CELL = (1.15, 0.72)
"""Width and height of a cell in inches."""


def draw(networks: Sequence[Sequence["Cell"]], words: str, inline: str | None = None) -> str:
    """SVG with a square for each network; `words` says what the averages are."""
    columns = min(2, len(networks))
    rows = math.ceil(len(networks) / columns)
    most = max(abs(cell.diff or 0) for cells in networks for cell in cells) or 1
    schemes = max(len({cell.padding_at_test for cell in cells}) for cells in networks)
    trained = max(len({cell.padding for cell in cells}) for cells in networks)

    def fill(figure: Figure) -> None:
        for number, cells in enumerate(networks, start=1):
            _square(figure.add_subplot(rows, columns, number), cells, most)

    size = ((1.3 + CELL[0] * schemes) * columns, (1.1 + CELL[1] * trained) * rows)
    return svg.render(fill, size, f"Cross test, {words}: {', '.join(cells[0].network for cells in networks)}", inline)


def _square(axes: Axes, cells: Sequence["Cell"], most: float) -> None:
    trained = sorted({cell.padding for cell in cells}, key=scheme_order)
    tested = sorted({cell.padding_at_test for cell in cells}, key=scheme_order)
    for cell in cells:
        x, y = tested.index(cell.padding_at_test), trained.index(cell.padding)
        diff = cell.diff or 0
        axes.add_patch(
            Rectangle(
                (x + 0.03, y + 0.03),
                0.94,
                0.94,
                facecolor=LOSS if diff < 0 else GAIN,
                alpha=STRONGEST * abs(diff) / most,
                linewidth=0,
            )
        )
        if cell.is_own:
            axes.add_patch(
                Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, fill=False, edgecolor=palette.MUTED, linewidth=1)
            )
        axes.text(
            x + 0.5,
            y + (0.5 if cell.diff is None else 0.4),
            f"{cell.average:.2f}",
            ha="center",
            va="center",
            fontsize=12,
        )
        if cell.diff is not None:
            axes.text(x + 0.5, y + 0.73, f"{cell.diff:+.2f}", ha="center", va="center", fontsize=9)
    axes.set_xlim(0, len(tested))
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
