"""Table 4: weights trained with one padding scheme, tested with another, every pair of schemes that was evaluated.

The paper tests zero and partial padding crosswise on ResNet50 (section 4.1, "Cross Testing"). A difference belongs to
one run: the same weights, under the other scheme minus under their own; its spread is that of these differences.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from records import write_text
from studies.cross_test import figure as cross_test_figure
from studies.page import html
from studies.page.section import Section
from studies.page.tables import Column, Linked, Table, blocks, decimals, signed
from studies.runs import paper
from studies.runs.collect import Collection, Run, scheme_order
from studies.runs.comparable import METRICS, Evaluated, evaluated
from studies.stats.intervals import interval
from studies.stats.spread import mean, stdev

STEM = "table4_cross"


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one network and scheme, tested under one scheme.

    Attributes:
        network: name that the runs are compared under.
        padding: scheme that they were trained with.
        padding_at_test: scheme that they were tested with.
        runs: that were tested, by seed.
        values: of each run, in percent.
        own: of each run under the scheme that it was trained with; None where that was not evaluated.
    """

    network: str
    padding: str
    padding_at_test: str
    runs: tuple[Run, ...]
    values: tuple[float, ...]
    own: tuple[float | None, ...]

    @property
    def is_own(self) -> bool:
        return self.padding == self.padding_at_test

    @property
    def average(self) -> float:
        return mean(self.values)

    @property
    def diffs(self) -> tuple[float, ...]:
        """Under this scheme minus under its own, of each run that has both, in points: below 0 is the paper's drop."""
        pairs = zip(self.values, self.own, strict=True)
        return tuple(value - own for value, own in pairs if own is not None)

    @property
    def diff(self) -> float | None:
        return mean(self.diffs) if self.diffs and not self.is_own else None


def study(collection: Collection, output: Path, checkpoint: str | None = None) -> Section | None:
    """Table 4 as a section, or None if no run was tested under another scheme.

    Writes `table4_cross.csv`, `.md` and `.svg`.
    """
    found = evaluated(collection, checkpoint)
    cells = table(collection, found)
    if all(cell.is_own for cell in cells):
        return None
    words = METRICS[collection.metric]
    title = f"Cross test: {words} (Table 4)"
    by_run, crossed = runs_table(cells, output, title), [matrix(cells, name) for name in _networks(cells)]
    draw = partial(cross_test_figure.draw, [of_network(cells, name) for name in _networks(cells)], words)
    file = output / f"{STEM}.svg"
    write_text(file, draw())
    body = html.paragraph(_reading(found, words))
    body += html.figure(draw(inline="table4"), _caption())
    body += "".join(html.paragraph(each.title) + each.html() for each in crossed)
    body += html.paragraph("Run by run, in the paper's form:") + by_run.html() + _notes(collection, found, cells)
    printed = [each.printed() for each in (*crossed, by_run)]
    return Section(title, body, printed, [*by_run.write(output, STEM), file])


def drops(collection: Collection, checkpoint: str | None = None) -> list[Cell]:
    """Every network's runs of one scheme tested under another one that have a difference; see `Cell.diffs`.

    Args:
        checkpoint: as of `evaluated`.
    """
    cells = table(collection, evaluated(collection, checkpoint))
    return [cell for cell in cells if not cell.is_own and cell.diffs]


def table(collection: Collection, found: Evaluated) -> list[Cell]:
    """A cell for each network, scheme of training and scheme of test with a value, each's own scheme first."""
    cells = []
    for group in collection.groups:
        tested = {scheme for run, scheme in found.of if run in group.runs}
        for scheme in sorted(tested, key=lambda each: (each != group.padding, *scheme_order(each))):
            values = {run: found.value(run, scheme, collection.metric) for run in group.runs}
            runs = tuple(run for run, value in values.items() if value is not None)
            if runs:
                own = tuple(found.value(run, group.padding, collection.metric) for run in runs)
                measured = tuple(values[run] for run in runs)
                cells.append(Cell(group.network, group.padding, scheme, runs, measured, own))
    return cells


def of_network(cells: Sequence[Cell], network: str) -> list[Cell]:
    return [cell for cell in cells if cell.network == network]


def matrix(cells: Sequence[Cell], network: str) -> Table:
    """Averages over the runs of one network: rows trained with, columns tested with."""
    by_pair = {(cell.padding, cell.padding_at_test): cell for cell in of_network(cells, network)}
    trained = list(dict.fromkeys(padding for padding, _ in by_pair))
    tested = sorted({scheme for _, scheme in by_pair}, key=scheme_order)
    rows = [
        [padding, *(by_pair[padding, scheme].average if (padding, scheme) in by_pair else None for scheme in tested)]
        for padding in trained
    ]
    columns = [Column("trained with"), *(Column(f"tested: {scheme}", decimals(3)) for scheme in tested)]
    return Table(f"{network}: averages in percent", columns, rows)


def runs_table(cells: Sequence[Cell], output: Path, title: str) -> Table:
    """The paper's form, a line a cell; then the spread of the difference, and what the paper found."""
    width = max(len(cell.values) for cell in cells)
    columns = [
        Column("Training"),
        Column("Inference"),
        *(Column(str(number), decimals(3)) for number in range(1, width + 1)),
        Column("average", decimals(3)),
        Column("diff", signed(3)),
        Column("stdev of diff", decimals(3)),
        Column("95 % interval"),
        Column("paper: average", decimals(3)),
        Column("paper: diff", signed(3)),
        *(Column(name, only_csv=True) for name in ("interval: low", "interval: high", "n", "seeds")),
    ]
    rows = [_row(cell, width, output) for cell in cells]
    if all(row[number] is None for row in rows for number, column in enumerate(columns) if "paper" in column.name):
        kept = [number for number, column in enumerate(columns) if "paper" not in column.name]
        columns, rows = [columns[number] for number in kept], [[row[number] for number in kept] for row in rows]
    return Table(title, columns, rows, blocks([(cell.network, cell.padding) for cell in cells]))


def _row(cell: Cell, width: int, output: Path) -> list:
    pairs = zip(cell.runs, cell.values, strict=True)
    values = [Linked(value, run.folder.path, output) for run, value in pairs]
    published = paper.row("table4", network=cell.network, padding=cell.padding, padding_at_test=cell.padding_at_test)
    diffs = () if cell.is_own else cell.diffs
    low, high = map(float, interval(diffs) or (math.nan, math.nan))
    has_interval = not math.isnan(low)
    return [
        f"{cell.network}_{cell.padding}",
        f"{cell.network}_{cell.padding_at_test}",
        *values,
        *[None] * (width - len(values)),
        cell.average,
        cell.diff,
        stdev(diffs),
        f"{low:+.2f} to {high:+.2f}" if has_interval else None,
        (published or {}).get("average"),
        (published or {}).get("diff"),
        low if has_interval else None,
        high if has_interval else None,
        len(cell.runs),
        " ".join(str(run.record.seed) for run in cell.runs),
    ]


def _networks(cells: Sequence[Cell]) -> list[str]:
    return list(dict.fromkeys(cell.network for cell in cells))


def _reading(found: Evaluated, words: str) -> str:
    images = sorted({record.images for record in found.of.values()})
    count = " to ".join(str(number) for number in dict.fromkeys([images[0], images[-1]]))
    which = {"best": "best epoch", "last": "last epoch"}.get(found.checkpoint, f"checkpoint {found.checkpoint}")
    return (
        f"The {words} of the same weights under each scheme, on the {count} reported images; weights of each run's "
        f"{which}. diff: under the scheme of the test minus under the run's own, in points, averaged over the runs; "
        "stdev and interval (Student's t) are of the runs' differences."
    )


def _caption() -> str:
    return (
        "Average in percent, and below it the difference from the runs' own scheme (framed). The stronger the colour, "
        "the larger the difference: orange is a loss, blue a gain."
    )


def _notes(collection: Collection, found: Evaluated, cells: Sequence[Cell]) -> str:
    there = {(cell.network, cell.padding, cell.padding_at_test): len(cell.runs) for cell in cells}
    missing = [
        f"{group.name} under {scheme}: {there.get((group.network, group.padding, scheme), 0)} of {len(group.runs)} runs"
        for group in collection.groups
        for scheme in sorted({cell.padding_at_test for cell in of_network(cells, group.network)}, key=scheme_order)
        if there.get((group.network, group.padding, scheme), 0) < len(group.runs)
    ]
    notes = ([f"Not evaluated, or not all: {'; '.join(missing)}."] if missing else []) + list(found.left_out)
    return html.bullets(notes) if notes else ""
