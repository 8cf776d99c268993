"""Tables 2, 3 and 5: each run's accuracy or mIoU, their average, spread and difference from zero padding.

Sections 4.1 and 4.2 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Values are in percent,
differences in percentage points.
"""

from dataclasses import dataclass
from pathlib import Path

from studies.page import palette
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Linked, Marked, Table, decimals, signed, starts
from studies.runs.collect import REFERENCE, Collection, Group
from studies.runs.statistic import BEST, LAST5, Statistic
from studies.stats.spread import mean, stdev


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
    return _study(collection, output, BEST, _reading(collection))


def study_last5(collection: Collection, output: Path) -> Section:
    """Table 3 as a section; writes `table3_last5.csv` and `.md`."""
    return _study(collection, output, LAST5, "Columns as in the table above.")


def _study(collection: Collection, output: Path, statistic: Statistic, reading: str) -> Section:
    found = table(collection, statistic)
    explanation = Text(statistic.explanation.format(metric=collection.metric))
    files = found.write(output, statistic.file(collection.metric))
    return Section(found.title, [explanation, found, Text(reading, muted=True)], files)


def lines(collection: Collection, statistic: Statistic) -> list[Line]:
    """One line for each group, in the collection's order."""
    found = []
    for group in collection.groups:
        values = statistic.values(group, collection.metric)
        baseline = collection.baseline(group)
        diff = mean(values) - mean(statistic.values(baseline, collection.metric)) if baseline else None
        found.append(Line(group, values, mean(values), diff, stdev(values)))
    return found


def table(collection: Collection, statistic: Statistic) -> Table:
    """The paper's columns for as many runs as there are, and the paper's own average and diff where it has them."""
    found = lines(collection, statistic)
    printed = [statistic.paper_row(line.group, collection.metric) for line in found]
    width = max(len(line.values) for line in found)
    styles = palette.styles(collection.schemes)
    rows = []
    for line, theirs in zip(found, printed, strict=True):
        runs = line.group.runs
        # Empty where other groups have more runs.
        values = [Linked(value, run.folder.path) for value, run in zip(line.values, runs, strict=True)]
        values += [""] * (width - len(values))
        name = Marked(line.group, styles[line.group.padding])
        seeds = " ".join(str(run.record.seed) for run in runs)
        row = [name, *values, line.average, line.diff, line.stdev, len(runs), seeds]
        rows.append(row + ([(theirs or {}).get("average"), (theirs or {}).get("diff")] if any(printed) else []))
    columns = [
        Column("Network"),
        *(Column(f"{number}_{statistic.column}", _value) for number in range(1, width + 1)),
        Column("average", decimals(3)),
        Column("diff", signed(3)),
        Column("stdev", decimals(3)),
        Column("n"),
        Column("seeds", only_csv=True),
    ]
    if any(printed):
        columns += [Column("paper: average", decimals(3)), Column("paper: diff", signed(3))]
    return Table(statistic.title(collection.metric), columns, rows, starts([line.group.network for line in found]))


def _value(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


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
