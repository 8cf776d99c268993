"""Table 5: the best mIoU of each segmentation run, encoder by scheme, in blocks by split of the data.

Section 4.2 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718.
"""

from pathlib import Path
from typing import Any

from studies.page import palette
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Linked, Marked, Table, starts
from studies.runs.collect import Collection, Group, natural, scheme_order
from studies.runs.statistic import BEST
from studies.segmentation.evaluations import MIOU
from studies.segmentation.rows import INTERVAL, Difference, compared_cells, value_column
from studies.stats.spread import mean, stdev

STEM = "table5_splits"

SPLITS = {"split0": "default (0)", "split1": "split 1", "split2": "additional (2)"}
"""The paper's words for a split of Cityscapes, by the variant of a run."""

EXPLANATION = (
    "Each run's highest mIoU over all epochs, on whole images of the validation set, in percent. The epoch is chosen "
    "on the set it is reported on, as in the paper, so these values are a little high for every scheme alike."
)
READING = (
    "1_best, 2_best, ...: the runs in order of their seeds. diff: difference of the means from zero padding of the "
    "same encoder and split, in percentage points; its interval and p are paired by seed where both ran the same "
    "seeds, each once, else Welch's; one run has none. stdev: sample standard deviation (divisor n - 1)."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Table 5 as a section, or None where runs are compared by something else; writes `table5_splits.csv` and `.md`."""
    if collection.metric != MIOU:
        return None
    table = make_table(collection)
    return Section(table.title, [Text(EXPLANATION), table, Text(READING, muted=True)], table.write(output, STEM))


def make_table(collection: Collection) -> Table:
    groups = sorted(collection.groups, key=_order)
    width = max(len(group.runs) for group in groups)
    styles = palette.styles(collection.schemes)
    # Without a split the data are others than the paper's.
    of_paper = [BEST.paper_row(group, MIOU) if group.runs[0].record.variant in SPLITS else None for group in groups]
    printed = [row or {} for row in of_paper]
    columns = [
        Column("Network"),
        Column("split"),
        *(value_column(f"{number}_best") for number in range(1, width + 1)),
        *(value_column(name) for name in ("mean", "diff", INTERVAL, "p", "stdev")),
        value_column("paper: mean", only_csv=not any(printed)),
        value_column("paper: diff", only_csv=not any(printed)),
        Column("seeds", only_csv=True),
    ]
    lines = []
    for group, row in zip(groups, printed, strict=True):
        name = Marked(f"{group.runs[0].record.network}_{group.padding}", styles[group.padding])
        theirs = [row.get("average"), Difference(row["diff"]) if "diff" in row else None]
        seeds = " ".join(str(run.record.seed) for run in group.runs)
        lines.append([name, _split(group), *_own_cells(collection, group, width), *theirs, seeds])
    return Table("Best mIoU by split (Table 5)", columns, lines, starts([_split(group) for group in groups]))


def _own_cells(collection: Collection, group: Group, width: int) -> list[Any]:
    values = BEST.values(group, MIOU)
    linked = [Linked(value, run.folder.path) for value, run in zip(values, group.runs, strict=True)]
    found = BEST.difference(collection, group) if collection.baseline(group) else None
    return [*linked, *[None] * (width - len(linked)), mean(values), *compared_cells(found), stdev(values)]


def _order(group: Group) -> tuple:
    record = group.runs[0].record
    return natural(record.variant), natural(record.network), scheme_order(group.padding)


def _split(group: Group) -> str:
    variant = group.runs[0].record.variant
    return SPLITS.get(variant, variant or "as on disk")
