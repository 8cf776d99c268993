"""Tables 2, 3 and 5: each run's accuracy or mIoU, their average, spread and difference from zero padding.

Tables 2 and 5 of Partial Convolution based Padding take the best epoch of a run, Table 3 the average of its last five
(sections 4.1 and 4.2). Values are in percent, differences in percentage points.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from records import best, last_average
from records.rows import Row
from studies.page import html, palette
from studies.page.columns import group_column
from studies.page.section import Section
from studies.page.tables import Column, Linked, Table, blocks, decimals, signed
from studies.runs import paper
from studies.runs.collect import REFERENCE, Collection, Group
from studies.stats.spread import mean, stdev


@dataclass(frozen=True, eq=False)
class Statistic:
    """What a run is represented by.

    Attributes:
        column: the table's word for it: column `1_best` is the first run's.
        words: what it is, as a title.
        explanation: how it is made, with `{metric}` in it.
        stem: end of the names of the files written.
        tables: metric to the number of the paper's table that shows it.
        of: rows and metric to the value, in percent.
    """

    column: str
    words: str
    explanation: str
    stem: str
    tables: Mapping[str, int]
    of: Callable[[list[Row], str], float | None]

    def title(self, metric: str) -> str:
        return self.words + (f" (Table {self.tables[metric]})" if metric in self.tables else "")

    def file(self, metric: str) -> str:
        """Stem of the files written, such as `table2_best`."""
        return (f"table{self.tables[metric]}_" if metric in self.tables else "") + self.stem

    def paper_row(self, group: Group, metric: str) -> paper.Row | None:
        """What the paper's table prints for the network and scheme of `group`; None if it shows neither."""
        if metric not in self.tables:
            return None
        table, network = f"table{self.tables[metric]}", group.runs[0].record
        where = {"network": network.network, "padding": group.padding}
        if network.variant:
            where["split"] = int(network.variant.removeprefix("split"))
        return next(iter(paper.rows(table, **where)), None)


BEST = Statistic(
    "best",
    "Best epoch of each run",
    "A run is represented by its highest {metric} over all epochs. The epoch is chosen on the set it is reported on, "
    "so these values are a little high for every scheme alike.",
    "best",
    {"val/acc1": 2, "val/miou": 5},
    best,
)
LAST5 = Statistic(
    "last5_avg",
    "Average of the last five epochs",
    "A run is represented by the mean of {metric} over its last five epochs, or over all if it has fewer; "
    "nothing is chosen.",
    "last5",
    {"val/acc1": 3},
    last_average,
)


@dataclass(frozen=True)
class Line:
    """A row of the table. `stdev` is None for one run, `diff` without runs of zero padding or for zero itself."""

    group: Group
    values: tuple[float, ...]
    average: float
    diff: float | None
    stdev: float | None


def study_best(collection: Collection, output: Path) -> Section:
    """Table 2 (or 5, of mIoU) as a section; writes `table2_best.csv` and `.md`."""
    return _study(collection, output, BEST)


def study_last5(collection: Collection, output: Path) -> Section:
    """Table 3 as a section; writes `table3_last5.csv` and `.md`."""
    return _study(collection, output, LAST5)


def lines(collection: Collection, statistic: Statistic) -> list[Line]:
    """One line for each group, in the collection's order."""
    found = []
    for group in collection.groups:
        values = group_values(group, collection.metric, statistic)
        reference = collection.reference(group.network)
        diff = None
        if reference and reference is not group:
            diff = mean(values) - mean(group_values(reference, collection.metric, statistic))
        found.append(Line(group, values, mean(values), diff, stdev(values)))
    return found


def group_values(group: Group, metric: str, statistic: Statistic) -> tuple[float, ...]:
    """The statistic of each run, in percent, by seed."""
    return tuple(statistic.of(run.rows, metric) for run in group.runs)


def table(collection: Collection, statistic: Statistic, output: Path) -> Table:
    """The paper's columns for as many runs as there are, and the paper's own average and diff where it has them.

    Args:
        output: the folder of the page, from which values link to their run folders.
    """
    found = lines(collection, statistic)
    printed = [statistic.paper_row(line.group, collection.metric) for line in found]
    width = max(len(line.values) for line in found)
    rows = []
    for line, theirs in zip(found, printed, strict=True):
        runs = zip(line.values, line.group.runs, strict=True)
        values: list[Any] = [Linked(value, run.folder.path, output) for value, run in runs]
        seeds = " ".join(str(run.record.seed) for run in line.group.runs)
        row = [line.group, *values, *[""] * (width - len(values))]
        row += [line.average, line.diff, line.stdev, len(values), seeds]
        rows.append(row + (_of_the_paper(theirs) if any(printed) else []))
    columns = _columns(width, statistic, palette.styles(collection.schemes))
    if any(printed):
        columns += [Column("paper: average", decimals(3)), Column("paper: diff", signed(3))]
    starts = blocks([line.group.network for line in found])
    return Table(statistic.title(collection.metric), columns, rows, starts)


def _columns(width: int, statistic: Statistic, styles: dict[str, palette.Style]) -> list[Column]:
    names = [f"{number}_{statistic.column}" for number in range(1, width + 1)]
    return [
        group_column(styles),
        *(Column(name, _value) for name in names),
        Column("average", decimals(3)),
        Column("diff", signed(3)),
        Column("stdev", decimals(3)),
        Column("n"),
        Column("seeds", only_csv=True),
    ]


def _value(value: float | str) -> str:
    # Empty where other groups have more runs.
    return value if isinstance(value, str) else f"{value:.3f}"


def _of_the_paper(row: paper.Row | None) -> list[float | None]:
    return [None, None] if row is None else [row["average"], row.get("diff")]


def _study(collection: Collection, output: Path, statistic: Statistic) -> Section:
    found = table(collection, statistic, output)
    files = found.write(output, statistic.file(collection.metric))
    body = html.paragraph(statistic.explanation.format(metric=collection.metric)) + found.html()
    body += html.paragraph(_reading(collection) if statistic is BEST else "Columns as in the table above.", "muted")
    return Section(found.title, body, [found.printed()], files)


def _reading(collection: Collection) -> str:
    words = (
        "Columns 1, 2, ... are the runs in order of their seeds; each value links to its run folder. average: mean of "
        "the runs in percent. diff: difference of averages from zero padding, in percentage points. stdev: sample "
        "standard deviation (divisor n - 1); a single run has none. In Tables 2 and 3 the paper's stdev of zero and "
        "partial padding is smaller by a factor of 0.82 at n = 5, its divisor being n + 1."
    )
    without = [network for network in collection.networks if collection.reference(network) is None]
    if without:
        words += f" No runs with {REFERENCE} padding for {', '.join(without)}, so no diff there."
    return words
