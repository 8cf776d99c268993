"""Table 5: the best mIoU of each segmentation run, encoder by scheme, in blocks by split of the data."""

from pathlib import Path

from studies.accuracy.table import BEST, group_values
from studies.page import html, palette
from studies.page.scheme_rows import INTERVAL, Difference, Heading, Interval, Probability, heading_column, value_column
from studies.page.section import Section
from studies.page.tables import Column, Linked, Table, blocks
from studies.runs import paper
from studies.runs.collect import Collection, Group, natural, scheme_order
from studies.stats.intervals import compare
from studies.stats.spread import mean, stdev

MIOU = "val/miou"
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
    table = make_table(collection, output)
    body = html.paragraph(EXPLANATION) + table.html() + html.paragraph(READING, "muted")
    return Section(table.title, body, [table.printed()], table.write(output, STEM))


def make_table(collection: Collection, output: Path) -> Table:
    """The table, for a page in `output`."""
    groups = sorted(collection.groups, key=_order)
    width = max(len(group.runs) for group in groups)
    lines = [_line(collection, group, width, output) for group in groups]
    unpublished = all(line[-3] is None for line in lines)
    columns = [
        heading_column("Network", palette.styles(collection.schemes), output),
        Column("split"),
        *(value_column(f"{number}_best") for number in range(1, width + 1)),
        *(value_column(name) for name in ("mean", "diff", INTERVAL, "p", "stdev")),
        value_column("paper: mean", only_csv=unpublished),
        value_column("paper: diff", only_csv=unpublished),
        Column("seeds", only_csv=True),
    ]
    return Table("Best mIoU by split (Table 5)", columns, lines, blocks([_split(group) for group in groups]))


def _order(group: Group) -> tuple:
    record = group.runs[0].record
    return natural(record.variant), natural(record.network), scheme_order(group.padding)


def _encoder(group: Group) -> str:
    return group.runs[0].record.network


def _split(group: Group) -> str:
    variant = group.runs[0].record.variant
    return SPLITS.get(variant, variant or "as on disk")


def _line(collection: Collection, group: Group, width: int, page_folder: Path) -> list:
    values = group_values(group, MIOU, BEST)
    linked = [Linked(value, run.folder.path, page_folder) for value, run in zip(values, group.runs, strict=True)]
    name = Heading(f"{_encoder(group)}_{group.padding}", group.padding)
    runs = [*linked, *[None] * (width - len(linked))]
    seeds = " ".join(str(run.record.seed) for run in group.runs)
    return [
        name,
        _split(group),
        *runs,
        mean(values),
        *_compared(collection, group),
        stdev(values),
        *_paper(group),
        seeds,
    ]


def _compared(collection: Collection, group: Group) -> tuple[Difference | None, Interval | None, Probability | None]:
    """diff, its interval and its p value."""
    reference = collection.reference(group.network)
    if reference is None or reference is group:
        return None, None, None
    found = compare(_by_seed(group), _by_seed(reference))
    between = None if found.low is None else Interval(found.low, found.high)
    return Difference(found.mean), between, None if found.p is None else Probability(found.p)


def _by_seed(group: Group) -> list[tuple[int, float]]:
    values = group_values(group, MIOU, BEST)
    return [(run.record.seed, value) for run, value in zip(group.runs, values, strict=True)]


def _paper(group: Group) -> tuple[float | None, Difference | None]:
    """The mean and the difference that the paper prints, if it has this network and split."""
    variant = group.runs[0].record.variant
    split = int(variant.removeprefix("split")) if variant in SPLITS else None
    row = paper.row("table5", network=_encoder(group), split=split, padding=group.padding) or {}
    return row.get("average"), Difference(row["diff"]) if "diff" in row else None
