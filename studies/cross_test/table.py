"""Table 4: weights trained with one padding scheme, tested with another, every pair of schemes that was evaluated."""

from collections.abc import Sequence
from pathlib import Path

from studies.cross_test.cells import Cell, cells
from studies.cross_test.figure import draw
from studies.page.blocks import Block, Bullets, Figure, Section, Text
from studies.page.tables import Column, Linked, Table, decimals, signed, starts
from studies.runs import paper
from studies.runs.collect import Collection, scheme_order
from studies.runs.comparable import METRICS, ComparableRecords, comparable_records
from studies.stats.intervals import interval
from studies.stats.spread import stdev

STEM = "table4_cross"


def study(collection: Collection, output: Path, checkpoint: str | None = None) -> Section | None:
    """Table 4 as a section, or None if no run was tested under another scheme.

    Writes `table4_cross.csv`, `.md` and `.svg`.
    """
    evaluations = comparable_records(collection, checkpoint)
    found = cells(collection, evaluations)
    if all(cell.is_own for cell in found):
        return None
    words = METRICS[collection.metric]
    title = f"Cross test: {words} (Table 4)"
    names = dict.fromkeys(cell.network for cell in found)
    networks = {name: [cell for cell in found if cell.network == name] for name in names}
    drawing, by_run = draw(networks, words), runs_table(found, title)
    blocks: list[Block] = [Text(_reading(evaluations, words)), Figure([drawing], CAPTION)]
    for name, own in networks.items():
        crossed = matrix(own, f"{name}: averages in percent")
        blocks += [Text(crossed.title), crossed]
    blocks += [
        Text("Run by run, in the paper's form:"),
        by_run,
        Bullets(_notes(collection, evaluations, networks), terminal=True),
    ]
    return Section(title, blocks, [*by_run.write(output, STEM), drawing.write(output / f"{STEM}.svg")])


def matrix(found: Sequence[Cell], title: str) -> Table:
    """Averages over the runs of one network: rows trained with, columns tested with."""
    averages = {(cell.padding, cell.padding_at_test): cell.average for cell in found}
    tested = sorted({scheme for _, scheme in averages}, key=scheme_order)
    trained = dict.fromkeys(padding for padding, _ in averages)
    rows = [[padding, *(averages.get((padding, scheme)) for scheme in tested)] for padding in trained]
    columns = [Column("trained with"), *(Column(f"tested: {scheme}", decimals(3)) for scheme in tested)]
    return Table(title, columns, rows)


def runs_table(found: Sequence[Cell], title: str) -> Table:
    """The paper's form, a line a cell; then the spread of the difference, and what the paper found."""
    width = max(len(cell.values) for cell in found)
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
    rows = [_row(cell, width) for cell in found]
    # The paper has ResNet50 alone.
    if all(row[number] is None for row in rows for number, column in enumerate(columns) if "paper" in column.name):
        kept = [number for number, column in enumerate(columns) if "paper" not in column.name]
        columns, rows = [columns[number] for number in kept], [[row[number] for number in kept] for row in rows]
    return Table(title, columns, rows, starts([(cell.network, cell.padding) for cell in found]))


def _row(cell: Cell, width: int) -> list:
    pairs = zip(cell.runs, cell.values, strict=True)
    values = [Linked(value, run.folder.path) for run, value in pairs]
    printed = paper.row("table4", network=cell.network, padding=cell.padding, padding_at_test=cell.padding_at_test)
    diffs = () if cell.is_own else cell.diffs
    low, high = interval(diffs) or (None, None)
    return [
        f"{cell.network}_{cell.padding}",
        f"{cell.network}_{cell.padding_at_test}",
        *values,
        *[None] * (width - len(values)),
        cell.average,
        cell.diff,
        stdev(diffs),
        None if low is None else f"{low:+.2f} to {high:+.2f}",
        (printed or {}).get("average"),
        (printed or {}).get("diff"),
        low,
        high,
        len(cell.runs),
        " ".join(str(run.record.seed) for run in cell.runs),
    ]


def _reading(found: ComparableRecords, words: str) -> str:
    images = sorted({record.images for record in found.of.values()})
    count = " to ".join(str(number) for number in dict.fromkeys([images[0], images[-1]]))
    which = {"best": "best epoch", "last": "last epoch"}.get(found.checkpoint, f"checkpoint {found.checkpoint}")
    return (
        f"The {words} of the same weights under each scheme, on the {count} reported images; weights of each run's "
        f"{which}. diff: under the scheme of the test minus under the run's own, in points, averaged over the runs; "
        "stdev and interval (Student's t) are of the runs' differences."
    )


CAPTION = (
    "Average in percent, and below it the difference from the runs' own scheme (framed). The stronger the colour, the "
    "larger the difference: orange is a loss, blue a gain."
)


def _notes(collection: Collection, evaluations: ComparableRecords, networks: dict[str, list[Cell]]) -> list[str]:
    there = {
        (cell.network, cell.padding, cell.padding_at_test): len(cell.runs) for n in networks.values() for cell in n
    }
    missing = [
        f"{group.name} under {scheme}: {count} of {len(group.runs)} runs"
        for group in collection.groups
        for scheme in sorted({cell.padding_at_test for cell in networks.get(group.network, ())}, key=scheme_order)
        if (count := there.get((group.network, group.padding, scheme), 0)) < len(group.runs)
    ]
    return ([f"Not evaluated, or not all: {'; '.join(missing)}."] if missing else []) + list(evaluations.left_out)
