"""mIoU by the distance to the nearest border, over all runs of each scheme: Table 7's question as a curve.

Not in the paper. Distances are to the border of the image for whole images, and to the border of the tile for tiles.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from records.evaluation import REGULAR, overlap
from studies.page import palette
from studies.page.blocks import Details, Figure, Section, Text
from studies.page.drawing import PANEL_SIZE, Drawing, draw_curve, entitle, grid_of_panels
from studies.page.tables import Column, Table, decimals, interval, signed, starts
from studies.runs.collect import REFERENCE, Collection
from studies.segmentation.evaluations import Block, Scores, column, difference, distance_values, read_evaluations
from studies.stats.spread import mean

STEM = "distance"
TITLE = "mIoU by distance to the border"

EXPLANATION = (
    "mIoU of the pixels at each distance from the nearest border: of the image where it is predicted whole (regular), "
    "of the tile in tiles; where tiles overlap, of the tile in which a pixel lies deepest. Line: mean of the runs; "
    "band: lowest to highest run. Not in the paper."
)
BIN_NOTE = "A class counts in a bin where it occurs there or is predicted there, so bins differ in their classes."


@dataclass(frozen=True)
class Panel:
    """The curves of one network, predicted in one way.

    Attributes:
        title: network, way of predicting, and what tells the test from others.
        bins: bins of the distance in pixels, such as `0-3`, from the border inwards.
        scores: values of each scheme's runs in percent, one per bin.
    """

    title: str
    bins: Sequence[str]
    scores: Scores

    def spread(self, scheme: str, name: str) -> tuple:
        """Mean, lowest and highest run, and number of runs in a bin; all None if a run has no pixel there."""
        values = [value for _, value in column(self.scores.get(scheme, {}), name)]
        return (mean(values), min(values), max(values), len(values)) if values else (None,) * 4


def study(collection: Collection, output: Path) -> Section | None:
    """Returns the curves as a section, or None without evaluations; writes `distance.csv`, `.md` and `.svg`."""
    panels = [panel for block in read_evaluations(collection).blocks for panel in _panels(block)]
    if not panels:
        return None
    styles = palette.styles(collection.schemes)
    table = make_table(panels, collection.schemes)
    content = [
        Text(EXPLANATION),
        Figure([draw([panel], styles) for panel in panels]),
        Details("The same as a table", [table, Text(BIN_NOTE, muted=True)], terminal=True),
    ]
    return Section(TITLE, content, [*table.write(output, STEM), draw(panels, styles).write(output / f"{STEM}.svg")])


def _panels(block: Block) -> Iterator[Panel]:
    _, first = block.first
    for mode in first.confusion:
        words = mode if mode == REGULAR else f"tiles, overlap {overlap(mode)}"
        title = ", ".join(filter(None, (block.network, words, block.test)))
        yield Panel(title, [*distance_values(first, mode)], block.scores(partial(distance_values, mode=mode)))


def make_table(panels: Sequence[Panel], schemes: Sequence[str]) -> Table:
    """A row per bin: each scheme's mean, lowest and highest run, and its difference from zero padding."""
    others = [scheme for scheme in schemes if scheme != REFERENCE and REFERENCE in schemes]
    columns = [Column("network, prediction"), Column("pixels")]
    for scheme in schemes:
        columns += [Column(scheme, decimals(3))]
        columns += [Column(f"{scheme} {name}", only_csv=True) for name in ("lowest", "highest", "n")]
    for scheme in others:
        columns += [Column(f"diff: {scheme} - {REFERENCE}", signed(3)), Column("95 % interval")]
    rows = []
    for panel in panels:
        for name in panel.bins:
            row = [panel.title, name, *(cell for scheme in schemes for cell in panel.spread(scheme, name))]
            for scheme in others:
                found = difference(panel.scores, scheme, name)
                row += [found.mean, interval(found)] if found else [None, None]
            rows.append(row)
    return Table(TITLE, columns, rows, starts([row[0] for row in rows]))


def draw(panels: Sequence[Panel], styles: Mapping[str, palette.Style]) -> Drawing:
    """Draws mean lines, and the band between the lowest and the highest run."""
    title = f"mIoU by distance to the nearest border: {'; '.join(panel.title for panel in panels)}"
    return grid_of_panels(partial(_draw, styles=styles), panels, PANEL_SIZE, title, styles)


def _draw(axes: Axes, panel: Panel, styles: Mapping[str, palette.Style]) -> None:
    places = range(len(panel.bins))
    for scheme, runs in panel.scores.items():
        # As floats, the None of a bin without pixels is NaN, which leaves a gap in the line.
        means, *ends, _ = np.array([panel.spread(scheme, name) for name in panel.bins], float).T
        draw_curve(axes, places, means, ends if len(runs) > 1 else None, styles[scheme], marker="o", markersize=4)
    entitle(axes, panel.title)
    axes.set_xticks(places, panel.bins, rotation=30)
    axes.set_xlabel("pixels to the nearest border")
    axes.set_ylabel("mIoU (%)")
