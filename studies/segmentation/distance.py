"""mIoU by the distance to the nearest border, over all runs of each scheme: Table 7's question as a curve.

Not in the paper. Distances are to the border of the image for whole images, and to that of the tile in tiles.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from records import write_text
from studies.page import html, palette
from studies.page.scheme_rows import INTERVAL, Difference, Interval, Sample, comparisons, value_column
from studies.page.section import Section
from studies.page.tables import Column, Table
from studies.runs.collect import REFERENCE, Collection
from studies.segmentation.distance_figure import draw
from studies.segmentation.evaluations import Block, Evaluation, in_words, read_evaluations
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
        network: name that runs are compared under.
        title: network, way of predicting, and what sets the test apart from others.
        mode: way of predicting.
        bins: in pixels, such as `0-3`, from the border inwards.
        schemes: each scheme's runs, a value a bin in percent.
    """

    network: str
    title: str
    mode: str
    bins: tuple[str, ...]
    schemes: dict[str, tuple[Sample, ...]]


def study(collection: Collection, output: Path) -> Section | None:
    """The curves as a section, or None without evaluations; writes `distance.csv`, `.md` and `.svg`."""
    found = panels(collection)
    if not found:
        return None
    styles = palette.styles(collection.schemes)
    figure = output / f"{STEM}.svg"
    write_text(figure, draw(found, styles))
    table = make_table(found, collection.schemes)
    pictures = "".join(f"<div>{draw([panel], styles, f'{STEM}{number}')}</div>" for number, panel in enumerate(found))
    body = html.paragraph(EXPLANATION) + html.legend(styles) + f'<figure class="panels">{pictures}</figure>'
    body += html.details("The same as a table", table.html() + html.paragraph(BIN_NOTE, "muted"))
    return Section(TITLE, body, [table.printed()], [*table.write(output, STEM), figure])


def panels(collection: Collection) -> list[Panel]:
    """One for each block of evaluations and way of predicting."""
    return [panel for block in read_evaluations(collection).blocks for panel in _of_block(block)]


def _of_block(block: Block) -> Iterator[Panel]:
    edges = block.setting.distance_edges
    starts, stops = (0, *edges), (*(str(edge - 1) for edge in edges), "")
    bins = tuple(f"{start}-{stop}" if stop else f"{start}+" for start, stop in zip(starts, stops, strict=True))
    for mode in block.setting.modes:
        title = ", ".join(filter(None, (block.network, in_words(mode), block.test)))
        schemes = {
            scheme: tuple(_sample(evaluation, mode) for evaluation in found) for scheme, found in block.schemes.items()
        }
        yield Panel(block.network, title, mode, bins, schemes)


def _sample(evaluation: Evaluation, mode: str) -> Sample:
    # Imported late: torch takes seconds, and reports of classifiers need none.
    from studies.segmentation.evaluation_values import distance_values

    run = evaluation.run
    values = tuple(distance_values(evaluation.record, mode))
    return Sample(run.record.padding, run.record.seed, run.folder.path, values)


def make_table(found: list[Panel], schemes: tuple[str, ...]) -> Table:
    """A row a bin: each scheme's mean, lowest and highest run, and its difference from zero padding."""
    others = [scheme for scheme in schemes if scheme != REFERENCE and REFERENCE in schemes]
    columns = [Column("network, prediction"), Column("pixels")]
    for scheme in schemes:
        columns += [value_column(scheme), *(value_column(f"{scheme} {end}", True) for end in ("lowest", "highest"))]
        columns.append(Column(f"{scheme} n", only_csv=True))
    for scheme in others:
        name = f"diff: {scheme} - {REFERENCE}"
        columns += [value_column(name), value_column(INTERVAL)]
    rows, starts = [], []
    for panel in found:
        starts.append(len(rows))
        compared = [_compared(panel, scheme) for scheme in others]
        for number, name in enumerate(panel.bins):
            cells = [cell for scheme in schemes for cell in _spread(panel, scheme, number)]
            rows.append([panel.title, name, *cells, *(cell for each in compared for cell in each[number])])
    return Table(TITLE, columns, rows, starts[1:])


def values(panel: Panel, scheme: str, number: int) -> list[float] | None:
    """The runs' values in a bin; None without runs, or where a run has no pixel there."""
    found = [sample.values[number] for sample in panel.schemes.get(scheme, ())]
    return None if not found or None in found else found


def _spread(panel: Panel, scheme: str, number: int) -> tuple[float | int | None, ...]:
    found = values(panel, scheme, number)
    return (None, None, None, None) if found is None else (mean(found), min(found), max(found), len(found))


def _compared(panel: Panel, scheme: str) -> list[tuple[Difference | None, Interval | None]]:
    """Difference from zero padding and its interval, for each bin."""
    if not {scheme, REFERENCE} <= panel.schemes.keys():
        return [(None, None)] * len(panel.bins)
    cells = []
    for each in comparisons(panel.schemes[scheme], panel.schemes[REFERENCE]):
        difference = None if each is None else Difference(each.mean)
        cells.append((difference, None if each is None or each.low is None else Interval(each.low, each.high)))
    return cells
