"""Tables 2, 3 and 5: each run's accuracy or mIoU, their average, spread and difference from zero padding.

Sections 4.1 and 4.2 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Values are in percent,
differences in percentage points.
"""

from functools import partial
from pathlib import Path

from studies.page import palette
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Linked, Marked, Table, decimals, signed, starts
from studies.runs.collect import REFERENCE, Collection
from studies.runs.statistic import BEST, LAST5, Statistic
from studies.stats.spread import mean, stdev


def _study(collection: Collection, output: Path, statistic: Statistic) -> Section:
    """Returns the table as a section; writes `table2_best` (`table5_best` for mIoU) or `table3_last5` (.csv, .md)."""
    found = table(collection, statistic)
    reading = _reading(collection) if statistic is BEST else "Columns as in the table above."
    explanation = Text(statistic.explanation.format(metric=collection.metric))
    files = found.write(output, statistic.file(collection.metric))
    return Section(found.title, [explanation, found, Text(reading, muted=True)], files)


study_best = partial(_study, statistic=BEST)
study_last5 = partial(_study, statistic=LAST5)


def table(collection: Collection, statistic: Statistic) -> Table:
    """A table with the paper's columns, one value per run, and the paper's own average and diff if it has them."""
    groups, metric = collection.groups, collection.metric
    printed = [statistic.paper_row(group, metric) or {} for group in groups]
    width = max(len(group.runs) for group in groups)
    styles = palette.styles(collection.schemes)
    rows = []
    for group, theirs in zip(groups, printed, strict=True):
        values, baseline = statistic.values(group, metric), collection.baseline(group)
        diff = mean(values) - mean(statistic.values(baseline, metric)) if baseline else None
        linked = [Linked(value, run.folder.path) for value, run in zip(values, group.runs, strict=True)]
        # Empty cells if other groups have more runs; None would be shown as a missing value.
        linked += [""] * (width - len(values))
        seeds = " ".join(str(run.record.seed) for run in group.runs)
        row = [Marked(group, styles[group.padding]), *linked, mean(values), diff, stdev(values), len(values), seeds]
        rows.append(row + ([theirs.get("average"), theirs.get("diff")] if any(printed) else []))
    columns = [Column("Network")]
    columns += [Column(f"{number}_{statistic.column}", _value) for number in range(1, width + 1)]
    columns += [Column("average", decimals(3)), Column("diff", signed(3)), Column("stdev", decimals(3))]
    columns += [Column("n"), Column("seeds", only_csv=True)]
    if any(printed):
        columns += [Column("paper: average", decimals(3)), Column("paper: diff", signed(3))]
    return Table(statistic.title(collection.metric), columns, rows, starts([group.network for group in groups]))


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
