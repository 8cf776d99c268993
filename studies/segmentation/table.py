"""Tables 6 and 7 are one table of different columns: blocks of evaluations, each scheme's mean, differences, runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from records.evaluation import EvaluationRecord
from studies.page import html, palette
from studies.page.scheme_rows import Heading, Sample, heading_column, rows, value_column
from studies.page.section import Section
from studies.page.tables import Column, Table
from studies.runs.collect import Collection
from studies.segmentation.evaluations import Block, Evaluation, read_evaluations

Values = dict[str, float | None]
"""Key of a column to its value in percent; None where no pixel counts."""

READING = (
    "In percent. One line a scheme: the mean of its n runs. diff: difference of the means in percentage points; its "
    "interval and p are paired by seed where both schemes ran the same seeds, each once, else Welch's. They hold for "
    "each column by itself: the columns share pixels and runs. The last lines are the runs, linked to their folders."
)
SINGLE = "With one run of a scheme there is no interval: another seed may turn a difference around."


@dataclass(frozen=True)
class Kind:
    """What sets one of the tables apart.

    Attributes:
        title: heading.
        stem: of the files.
        explanation: what is counted.
        keys: the columns of some blocks, in order.
        values: an evaluation's columns; empty where it has none of them.
        column: the heading of a column.
        published: the paper's rows that belong to a block: heading and values.
    """

    title: str
    stem: str
    explanation: str
    keys: Callable[[Sequence[Block]], list[str]]
    values: Callable[[EvaluationRecord], Values]
    column: Callable[[str], str]
    published: Callable[[Block], list[tuple[str, Values]]]


def study(collection: Collection, output: Path, kind: Kind) -> Section | None:
    """The table of `kind` as a section, or None without evaluations for it; writes `kind.stem` as .csv and .md."""
    blocks = [block for block in read_evaluations(collection).blocks if kind.keys([block])]
    if not blocks:
        return None
    table = make_table(blocks, kind, palette.styles(collection.schemes), output)
    body = html.paragraph(kind.explanation) + table.html() + html.paragraph(READING, "muted")
    single = [
        f"{block.network}_{scheme}" for block in blocks for scheme, runs in block.schemes.items() if len(runs) == 1
    ]
    if single:
        body += html.paragraph(f"{SINGLE} One run: {', '.join(single)}.", "muted")
    return Section(kind.title, body, [table.printed()], table.write(output, kind.stem))


def make_table(blocks: Sequence[Block], kind: Kind, styles: dict[str, palette.Style], output: Path) -> Table:
    """The table of `blocks`, for a page in `output`."""
    keys = kind.keys(blocks)
    lines, starts = [], []
    for block in blocks:
        starts.append(len(lines))
        own = rows(block.network, samples_of(block, kind.values, keys))
        own += [[Heading(text), *map(values.get, keys), None] for text, values in kind.published(block)]
        lines += [[heading, block.test, *cells, block.network] for heading, *cells in own]
    columns = [
        heading_column("Padding", styles, output),
        Column("tested", only_csv=not any(block.test for block in blocks)),
        *(value_column(kind.column(key)) for key in keys),
        Column("n"),
        Column("network", only_csv=True),
    ]
    return Table(kind.title, columns, lines, starts[1:])


def samples_of(
    block: Block, of: Callable[[EvaluationRecord], Values], keys: Sequence[str]
) -> dict[str, tuple[Sample, ...]]:
    """Each scheme's runs with the values of `keys`."""

    def sample(evaluation: Evaluation) -> Sample:
        values, run = of(evaluation.record), evaluation.run
        return Sample(run.record.padding, run.record.seed, run.folder.path, tuple(map(values.get, keys)))

    return {scheme: tuple(map(sample, found)) for scheme, found in block.schemes.items()}
