"""The paper's own tables, with the intervals and p values that it leaves out, by the tests that our runs are put to.

The paper does not say which of its runs share a seed, so both sides are taken as independent (Welch).
"""

from pathlib import Path

from studies.page.blocks import Details, Section, Text
from studies.page.tables import Column, Table, decimals, interval, p_value, signed, starts
from studies.runs import paper
from studies.runs.collect import REFERENCE, Collection
from studies.stats.intervals import Comparison, compare

SHOWN = {"val/acc1": {"table2": "best", "table3": "last5_avg"}, "val/miou": {"table5": "best"}}
"""Metric to the paper's tables of runs, and what their columns are called."""


def study(collection: Collection, output: Path) -> Section | None:
    """The paper's tables of the collection's metric, folded up, or None; writes `paper_tableN.csv` and `.md`."""
    shown = SHOWN.get(collection.metric)
    if not shown:
        return None
    tables = {name: table(name, column) for name, column in shown.items()}
    files = [file for name, each in tables.items() for file in each.write(output, f"paper_{name}")]
    reading = Text(
        "To compare with: what the paper printed (ImageNet and Cityscapes, its own networks and lengths), and the "
        "interval and p value that follow from its runs, taken as independent (Welch). stdev is as printed."
    )
    folded = [Details(each.title, [each]) for each in tables.values()]
    return Section("The paper's own runs", [reading, *folded], files)


def table(name: str, column: str) -> Table:
    """The paper's `name`, such as `table2`, with an interval and p value for each difference from zero padding."""
    found = paper.rows(name)
    width = len(found[0]["runs"])
    columns = [Column("Network"), *(Column(f"{number}_{column}", decimals(3)) for number in range(1, width + 1))]
    columns += [Column("average", decimals(3)), Column("diff", signed(3)), Column("stdev", decimals(3))]
    columns += [Column("95 % interval"), Column("p", p_value), Column("seeds needed")]
    rows = []
    for row in found:
        tested = against_zero(name, row)
        printed = [*row["runs"], row["average"], row.get("diff"), row.get("stdev")]
        ours = [None] * 3 if tested is None else [interval(tested), tested.p, tested.seeds]
        rows.append([label(row), *printed, *ours])
    title = f"Table {name.removeprefix('table')} of the paper: {paper.content()[name]['what']}"
    return Table(title, columns, rows, starts([(row["network"], row.get("split")) for row in found]))


def label(row: paper.Row) -> str:
    """`resnet50_zero`, `resnet50-split2_zero`: as our own rows are called."""
    split = f"-split{row['split']}" if "split" in row else ""
    return f"{row['network']}{split}_{row['padding']}"


def against_zero(name: str, row: paper.Row) -> Comparison | None:
    """A row's runs minus those of zero padding; None for zero itself."""
    if row["padding"] == REFERENCE:
        return None
    same = {key: row[key] for key in ("network", "split") if key in row}
    zeros = paper.row(name, padding=REFERENCE, **same)["runs"]
    # Different seeds on both sides, so that `compare` takes them as independent.
    return compare(list(enumerate(row["runs"])), list(enumerate(zeros, start=len(row["runs"]))))
