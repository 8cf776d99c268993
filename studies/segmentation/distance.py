"""mIoU by the distance to the nearest border, over all runs of each scheme: Table 7's question as a curve.

Not in the paper. Distances are to the border of the image for whole images, and to that of the tile in tiles.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from matplotlib.axes import Axes

from records.evaluation import REGULAR
from studies.page import palette
from studies.page.blocks import Details, Figure, Section, Text
from studies.page.drawing import PANEL_SIZE, Drawing, grid_of_panels, line_style
from studies.page.tables import Column, Table
from studies.runs.collect import REFERENCE, Collection
from studies.segmentation.evaluations import Block, distance_values, overlap, read_evaluations
from studies.segmentation.rows import INTERVAL, Sample, compared_cells, comparisons, samples, value_column
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
        title: network, way of predicting, and what sets the test apart from others.
        bins: in pixels, such as `0-3`, from the border inwards.
        schemes: each scheme's runs, a value a bin in percent.
    """

    title: str
    bins: tuple[str, ...]
    schemes: dict[str, tuple[Sample, ...]]

    def columns(self, scheme: str) -> list[tuple[float | None, ...]]:
        """The runs' values in each bin; None where a run has no pixel there, and no values without runs."""
        runs = [sample.values for sample in self.schemes.get(scheme, ())]
        return list(zip(*runs, strict=True)) if runs else [()] * len(self.bins)


def study(collection: Collection, output: Path) -> Section | None:
    """The curves as a section, or None without evaluations; writes `distance.csv`, `.md` and `.svg`."""
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
    """One for each way of predicting."""
    edges = block.setting.distance_edges
    starts, stops = (0, *edges), (*(str(edge - 1) for edge in edges), "")
    bins = tuple(f"{start}-{stop}" if stop else f"{start}+" for start, stop in zip(starts, stops, strict=True))
    for mode in block.setting.modes:
        words = mode if mode == REGULAR else f"tiles, overlap {overlap(mode)}"
        title = ", ".join(filter(None, (block.network, words, block.test)))
        yield Panel(title, bins, samples(block, lambda record, mode=mode: distance_values(record, mode)))


def make_table(panels: Sequence[Panel], schemes: Sequence[str]) -> Table:
    """A row a bin: each scheme's mean, lowest and highest run, and its difference from zero padding."""
    others = [scheme for scheme in schemes if scheme != REFERENCE and REFERENCE in schemes]
    columns = [Column("network, prediction"), Column("pixels")]
    for scheme in schemes:
        columns += [value_column(scheme), *(value_column(f"{scheme} {end}", True) for end in ("lowest", "highest"))]
        columns.append(Column(f"{scheme} n", only_csv=True))
    for scheme in others:
        columns += [value_column(f"diff: {scheme} - {REFERENCE}"), value_column(INTERVAL)]
    rows, starts = [], []
    for panel in panels:
        starts.append(len(rows))
        cells = [_spread_cells(panel, scheme) for scheme in schemes]
        cells += [_difference_cells(panel, scheme) for scheme in others]
        for name, *groups in zip(panel.bins, *cells, strict=True):
            rows.append([panel.title, name, *itertools.chain(*groups)])
    return Table(TITLE, columns, rows, starts[1:])


def _spread_cells(panel: Panel, scheme: str) -> list[tuple[float | int | None, ...]]:
    return [
        (mean(values), min(values), max(values), len(values)) if values and None not in values else (None,) * 4
        for values in panel.columns(scheme)
    ]


def _difference_cells(panel: Panel, scheme: str) -> list[tuple]:
    """Difference from zero padding and its interval, for each bin."""
    found: list = [None] * len(panel.bins)
    if {scheme, REFERENCE} <= panel.schemes.keys():
        found = comparisons(panel.schemes[scheme], panel.schemes[REFERENCE])
    return [compared_cells(each)[:2] for each in found]


def draw(panels: Sequence[Panel], styles: Mapping[str, palette.Style]) -> Drawing:
    """Mean lines and the band between the lowest and the highest run."""
    title = f"mIoU by distance to the nearest border: {'; '.join(panel.title for panel in panels)}"
    return grid_of_panels(partial(_draw, styles=styles), panels, PANEL_SIZE, title, styles)


def _draw(axes: Axes, panel: Panel, styles: Mapping[str, palette.Style]) -> None:
    places = range(len(panel.bins))
    for scheme, runs in panel.schemes.items():
        # A bin without pixels leaves a gap.
        values = [[math.nan if value is None else value for value in column] for column in panel.columns(scheme)]
        style = styles[scheme]
        if len(runs) > 1:
            low, high = map(min, values), map(max, values)
            axes.fill_between(places, [*low], [*high], color=style.placeholder, alpha=0.18, linewidth=0)
        axes.plot(places, [mean(column) for column in values], marker="o", markersize=4, **line_style(style))
    # Dollar signs in a name would be read as mathematics.
    axes.set_title(panel.title, loc="left", parse_math=False)
    axes.set_xticks(places, panel.bins, rotation=30)
    axes.set_xlabel("pixels to the nearest border")
    axes.set_ylabel("mIoU (%)")
    axes.set_axisbelow(True)
