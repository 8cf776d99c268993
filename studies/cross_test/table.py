"""Table 4: weights trained with one padding scheme and tested with another, for every pair that was evaluated.

The paper (Partial Convolution based Padding, https://arxiv.org/abs/1811.11718) tests zero and partial padding crosswise
on ResNet50 (section 4.1, "Cross Testing"). A difference is taken within a run: the same weights under the other scheme
minus under the run's own; the spread is over these differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records.classification import ClassificationRecord
from records.evaluation import EvaluationRecord
from studies.page import palette
from studies.page.blocks import Block, Bullets, Section, Text
from studies.page.tables import Column, Linked, Table, decimals, signed, starts
from studies.runs import paper
from studies.runs.collect import Collection, Run, scheme_order
from studies.runs.comparable import METRICS, ComparableRecords, comparable_records, margin_of, value_of
from studies.runs.fairness import is_of_imagenet
from studies.stats.intervals import interval
from studies.stats.spread import mean, stdev

STEM = "table4_cross"

MARGIN = (
    " The images carry a margin of real context. valid: the network of the training sees it, so that no padding of the "
    "image's border is seen; every other scheme pads where the margin begins, on the same pixels."
)


@dataclass(frozen=True, eq=False)
class Cell:
    """The runs of one network and scheme, tested under one scheme.

    Attributes:
        network: name that the runs are compared under.
        values: value of each tested run in percent, in the order of the seeds.
        own: values of the same runs under the scheme that they were trained with, as far as that was evaluated.
    """

    network: str
    padding: str
    padding_at_test: str
    values: dict[Run, float]
    own: dict[Run, float]

    @property
    def is_own(self) -> bool:
        return self.padding == self.padding_at_test

    @property
    def average(self) -> float:
        return mean(self.values.values())

    @property
    def diffs(self) -> dict[Run, float]:
        """Value under this scheme minus under the run's own, for runs with both, in points; the paper's drop is < 0."""
        if self.is_own:
            return {}
        return {run: value - self.own[run] for run, value in self.values.items() if run in self.own}

    @property
    def paper(self) -> paper.Row:
        """The paper's row of the same network and schemes; empty if it has none."""
        where = {"padding": self.padding, "padding_at_test": self.padding_at_test}
        row = paper.row("table4", network=self.network, **where)
        return row if row and is_of_imagenet(next(iter(self.values))) else {}


def study(collection: Collection, output: Path, checkpoint: str | None = None) -> Section | None:
    """Returns Table 4 as a section, None if no run was tested under another scheme; writes `table4_cross.csv`, `.md`.

    Every margin of real context has its own tables and files, such as `table4_cross_margin4`.
    """
    margins = {
        margin_of(record)
        for run in collection.runs
        for kind in (ClassificationRecord, EvaluationRecord)
        for record in run.evaluations(kind).values()
    }
    blocks, files, title = [], [], None
    for margin in sorted(margins):
        evaluations = comparable_records(collection, checkpoint, margin)
        found = cells(collection, evaluations)
        if any(not cell.is_own for cell in found):
            by_run, written = _blocks(collection, evaluations, found, margin)
            title, blocks = title or by_run.title, blocks + written
            files += by_run.write(output, STEM + (f"_margin{margin}" if margin else ""))
    return Section(title, blocks, files) if blocks else None


def _blocks(
    collection: Collection, evaluations: ComparableRecords, found: Sequence[Cell], margin: int
) -> tuple[Table, list[Block]]:
    """Returns the table by run, and all blocks for one margin."""
    words = METRICS[collection.metric]
    around = f", margin of {margin} pixels" if margin else ""
    by_run = runs_table(found, f"Cross test: {words} (Table 4){around}")
    blocks: list[Block] = [Text(_reading(evaluations, words) + (MARGIN if margin else ""))]
    for network in dict.fromkeys(cell.network for cell in found):
        of_network = [cell for cell in found if cell.network == network]
        blocks.append(matrix(of_network, f"{network}: averages in percent{around}"))
    notes = Bullets(_notes(collection, evaluations, found), terminal=True)
    return by_run, [*blocks, Text("Run by run, in the paper's form:"), by_run, notes]


def cells(collection: Collection, evaluations: ComparableRecords) -> list[Cell]:
    """A cell per network, scheme of training and scheme of test that has values, the scheme of training first."""
    found = []
    for group in collection.groups:
        tested = {scheme for run, scheme in evaluations.of if run in group.runs}
        by_scheme: dict[str, dict[Run, float]] = {}
        for scheme in sorted(tested, key=lambda each: (each != group.padding, *scheme_order(each))):
            records = {run: record for run in group.runs if (record := evaluations.of.get((run, scheme)))}
            values = {run: value_of(record, collection.metric) for run, record in records.items()}
            by_scheme[scheme] = {run: value for run, value in values.items() if value is not None}
        own = by_scheme.get(group.padding, {})
        found += [
            Cell(group.network, group.padding, scheme, values, own) for scheme, values in by_scheme.items() if values
        ]
    return found


def drops(collection: Collection) -> list[Cell]:
    """The cells that have differences; the claims use them."""
    return [cell for cell in cells(collection, comparable_records(collection)) if cell.diffs]


def matrix(found: Sequence[Cell], title: str) -> Table:
    """Averages over the runs of one network: a row per scheme of training, a column per scheme of test."""
    averages = {(cell.padding, cell.padding_at_test): cell.average for cell in found}
    tested = sorted({scheme for _, scheme in averages}, key=scheme_order)
    trained = dict.fromkeys(padding for padding, _ in averages)
    rows = [[padding, *(averages.get((padding, scheme)) for scheme in tested)] for padding in trained]
    columns = [Column("trained with"), *(Column(f"tested: {scheme}", decimals(3)) for scheme in tested)]
    return Table(title, columns, rows)


def runs_table(found: Sequence[Cell], title: str) -> Table:
    """A table in the paper's form, a row per cell, followed by the spread of the difference and the paper's values."""
    width = max(len(cell.values) for cell in found)
    # The paper has values for ResNet50 only.
    printed = ("average", "diff") if any(cell.paper for cell in found) else ()
    columns = [Column("Training"), Column("Inference")]
    columns += [Column(str(number), decimals(3)) for number in range(1, width + 1)]
    columns += [Column("average", decimals(3)), Column("diff", signed(3)), Column("stdev of diff", decimals(3))]
    columns.append(Column("95 % interval"))
    columns += [Column(f"paper: {name}", decimals(3) if name == "average" else signed(3)) for name in printed]
    columns += [Column(name, only_csv=True) for name in ("interval: low", "interval: high", "n", "seeds")]
    rows = [_row(cell, width, printed) for cell in found]
    return Table(title, columns, rows, starts([(cell.network, cell.padding) for cell in found]))


def _row(cell: Cell, width: int, printed: Sequence[str]) -> list[Any]:
    values = [Linked(value, run.folder.path) for run, value in cell.values.items()]
    diffs = [*cell.diffs.values()]
    low, high = interval(diffs) or (None, None)
    row = [f"{cell.network}_{cell.padding}", f"{cell.network}_{cell.padding_at_test}"]
    row += [*values, *[None] * (width - len(values)), cell.average, mean(diffs) if diffs else None, stdev(diffs)]
    row += [None if low is None else f"{low:+.2f} to {high:+.2f}", *map(cell.paper.get, printed), low, high]
    return [*row, len(cell.values), " ".join(str(run.record.seed) for run in cell.values)]


def _reading(found: ComparableRecords, words: str) -> str:
    images = sorted({record.images for record in found.of.values()})
    count = " to ".join(str(number) for number in dict.fromkeys([images[0], images[-1]]))
    which = {"best": "best epoch", "last": "last epoch"}.get(found.checkpoint, f"checkpoint {found.checkpoint}")
    return (
        f"The {words} of the same weights under each scheme, on the {count} reported images; weights of each run's "
        f"{which}. diff: under the scheme of the test minus under the run's own, in points, averaged over the runs; "
        "stdev and interval (Student's t) are of the runs' differences."
    )


def _notes(collection: Collection, evaluations: ComparableRecords, found: Sequence[Cell]) -> list[str]:
    there = {(cell.network, cell.padding, cell.padding_at_test): len(cell.values) for cell in found}
    missing = [
        f"{group} under {scheme}: {count} of {len(group.runs)} runs"
        for group in collection.groups
        for scheme in sorted({tested for network, _, tested in there if network == group.network}, key=scheme_order)
        if (count := there.get((group.network, group.padding, scheme), 0)) < len(group.runs)
    ]
    crossed = {padding for _, padding, tested in there if padding != tested}
    learned = [f"'{each}'" for each in sorted(crossed) if any(name in each for name in palette.LEARNED)]
    notes = [f"Not evaluated, or not all: {'; '.join(missing)}."] if missing else []
    if learned:
        words = "are tested without that scheme's parameters"
        notes.append(f"Under other schemes weights of {', '.join(learned)} {words}.")
    return notes + list(evaluations.left_out)
