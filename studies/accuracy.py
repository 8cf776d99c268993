"""Tables 2, 3 and 5: each run's accuracy or mIoU, their average, spread and difference from zero padding.

Tables 2 and 5 of Partial Convolution based Padding take the best epoch of a run, Table 3 the average of its last five
(sections 4.1 and 4.2). Values are in percent, differences in percentage points.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table as Printed

from records import best, last_average, write_text
from records.rows import Row
from studies import html, palette
from studies.collect import REFERENCE, Collection, Group, Run
from studies.section import Section, printed_table
from studies.spread import mean, stdev


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


def header(count: int, statistic: Statistic) -> list[str]:
    """The paper's columns for `count` runs."""
    return ["Network", *(f"{number}_{statistic.column}" for number in range(1, count + 1)), "average", "diff", "stdev"]


def percent(value: float | None) -> str:
    """Three decimals, as the paper; `-` for what there is not."""
    return "-" if value is None else f"{value:.3f}"


def signed(value: float | None) -> str:
    """A difference, in percentage points."""
    return "-" if value is None else f"{value:+.3f}"


def _study(collection: Collection, output: Path, statistic: Statistic) -> Section:
    found = lines(collection, statistic)
    title, stem = statistic.title(collection.metric), statistic.file(collection.metric)
    csv_file, markdown_file = output / f"{stem}.csv", output / f"{stem}.md"
    write_text(csv_file, as_csv(found, statistic))
    write_text(markdown_file, as_markdown(found, statistic))
    body = html.paragraph(statistic.explanation.format(metric=collection.metric))
    body += _as_html(found, statistic, output, palette.styles(collection.schemes))
    body += html.paragraph(_reading(collection) if statistic is BEST else "Columns as in the table above.", "muted")
    return Section(title, body, [_as_printed(found, statistic, title)], [csv_file, markdown_file])


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


def _width(found: list[Line]) -> int:
    return max(len(line.values) for line in found)


def as_csv(found: list[Line], statistic: Statistic) -> str:
    """The table with every digit, and the seeds of its columns; empty where there is no value."""
    width = _width(found)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*header(width, statistic), "n", "seeds"])
    for line in found:
        values = [*map(repr, line.values), *[""] * (width - len(line.values))]
        rest = ["" if value is None else repr(value) for value in (line.average, line.diff, line.stdev)]
        seeds = " ".join(str(run.record.seed) for run in line.group.runs)
        writer.writerow([line.group.name, *values, *rest, len(line.values), seeds])
    return text.getvalue()


def as_markdown(found: list[Line], statistic: Statistic) -> str:
    """The table for a README, rounded as in the paper."""
    width = _width(found)
    head = header(width, statistic)
    rows = [head, ["---", *["---:"] * (len(head) - 1)]]
    rows += [_cells(line, [percent(value) for value in line.values], width) for line in found]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in rows)


def _cells(line: Line, values: list[str], width: int) -> list[str]:
    padded = [*values, *[""] * (width - len(values))]
    return [line.group.name, *padded, percent(line.average), signed(line.diff), percent(line.stdev)]


def _as_html(found: list[Line], statistic: Statistic, output: Path, styles: dict[str, palette.Style]) -> str:
    width = _width(found)
    rows, starts = [], []
    for number, line in enumerate(found):
        if number and line.group.network != found[number - 1].group.network:
            starts.append(number)
        values = [_linked(run, value, output) for run, value in zip(line.group.runs, line.values, strict=True)]
        _, *rest = _cells(line, values, width)
        rows.append([html.swatch(styles[line.group.padding]) + html.escape(line.group.name), *rest])
    return html.table(header(width, statistic), rows, starts)


def _linked(run: Run, value: float, output: Path) -> str:
    return html.link(percent(value), run.folder.path, output)


def _as_printed(found: list[Line], statistic: Statistic, title: str) -> Printed:
    width = _width(found)
    table = printed_table(title)
    for number, name in enumerate(header(width, statistic)):
        # In lines, for five runs to fit into 80 columns.
        table.add_column(name.replace("_", "\n"), justify="right" if number else "left", no_wrap=True)
    for number, line in enumerate(found):
        last = number + 1 == len(found) or found[number + 1].group.network != line.group.network
        table.add_row(*_cells(line, [percent(value) for value in line.values], width), end_section=last)
    return table
