"""Tables 6 and 7: mIoU in tiles and near the border, over all runs of each scheme.

Sections 4.2 and 4.2.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Both are one table with
different columns: of each block of evaluations the schemes' means, the differences from zero padding, and the runs.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from records.evaluation import REGULAR, EvaluationRecord
from studies.page import palette
from studies.page.blocks import Bullets, Section, Text
from studies.page.tables import Column, Table
from studies.runs import paper
from studies.runs.collect import PARTIAL, REFERENCE, Collection
from studies.segmentation.evaluations import (
    MIOU,
    NO_OVERLAP,
    Block,
    Evaluations,
    Values,
    border_values,
    overlap,
    read_evaluations,
    tile_values,
)
from studies.segmentation.rows import Difference, Sample, comparisons, rows, samples, value_column
from studies.stats.intervals import Comparison

READING = (
    "In percent. One line a scheme: the mean of its n runs. diff: difference of the means in percentage points; its "
    "interval and p are paired by seed where both schemes ran the same seeds, each once, else Welch's. They hold for "
    "each column by itself: the columns share pixels and runs. The last lines are the runs, linked to their folders."
)
SINGLE = "With one run of a scheme there is no interval: another seed may turn a difference around."


@dataclass(frozen=True)
class EvaluationTable:
    """What sets one of the two tables apart.

    Attributes:
        number: in the paper.
        title: heading.
        stem: of the files.
        explanation: what is counted.
        keys: the columns of some blocks, in order.
        values: an evaluation's columns; empty where it has none of them.
        heading: of a column.
        published: the paper's rows for a block, heading and values; its difference comes last.
    """

    number: int
    title: str
    stem: str
    explanation: str
    keys: Callable[[Sequence[Block]], list[str]]
    values: Callable[[EvaluationRecord], Values]
    heading: Callable[[str], str]
    published: Callable[[Block], list[tuple[str, Values]]]

    def samples(self, block: Block, keys: Sequence[str]) -> dict[str, tuple[Sample, ...]]:
        """Each scheme's runs with the values of `keys`."""
        return samples(block, lambda record: tuple(map(self.values(record).get, keys)))

    def table(self, blocks: Sequence[Block], styles: dict[str, palette.Style]) -> Table:
        keys = self.keys(blocks)
        lines, starts = [], []
        for block in blocks:
            starts.append(len(lines))
            own = rows(block.network, self.samples(block, keys), styles)
            own += [[text, *map(values.get, keys), None] for text, values in self.published(block)]
            lines += [[heading, block.test, *cells, block.network] for heading, *cells in own]
        columns = [
            Column("Padding"),
            Column("tested", only_csv=not any(block.test for block in blocks)),
            *(value_column(self.heading(key)) for key in keys),
            Column("n"),
            Column("network", only_csv=True),
        ]
        return Table(self.title, columns, lines, starts[1:])

    def section(self, collection: Collection, blocks: Sequence[Block], output: Path) -> Section | None:
        """The section, or None where no block has its columns; writes `stem` as .csv and .md."""
        blocks = [block for block in blocks if self.keys([block])]
        if not blocks:
            return None
        table = self.table(blocks, palette.styles(collection.schemes))
        content = [Text(self.explanation), table, Text(READING, muted=True)]
        runs = {f"{block.network}_{scheme}": each for block in blocks for scheme, each in block.schemes.items()}
        if single := [name for name, each in runs.items() if len(each) == 1]:
            content.append(Text(f"{SINGLE} One run: {', '.join(single)}.", muted=True))
        return Section(self.title, content, table.write(output, self.stem))


def study_tiles(collection: Collection, output: Path) -> Section | None:
    """Table 6 as a section, or None for classifiers; writes `table6_tiles.csv` and `.md`.

    It names the runs that were not tested and the command that tests them.
    """
    evaluations = read_evaluations(collection)
    if not evaluations.blocks and collection.metric != MIOU:
        return None
    section = TILES.section(collection, evaluations.blocks, output)
    content = list(section.blocks) if section else [Text(f"{TILES.title}: not run. {_todo(collection)}", terminal=True)]
    if evaluations.blocks:
        content.append(Bullets([f"{block.network}: {block.setting}" for block in evaluations.blocks]))
    if missing := _missing(collection, evaluations):
        content += [Text("In no table of tests:", muted=True), Bullets(missing, terminal=True)]
    return Section(TILES.title, content, section.files if section else ())


def study_border(collection: Collection, output: Path) -> Section | None:
    """Table 7 as a section, or None without tests in tiles without overlap; writes `table7_border.csv` and `.md`."""
    return BORDER.section(collection, read_evaluations(collection).blocks, output)


def _missing(collection: Collection, evaluations: Evaluations) -> list[str]:
    """Each file that is left out, and the runs that were not tested."""
    lines = [f"left out: {entry}" for entry in evaluations.left_out]
    if evaluations.untested:
        names = ", ".join(run.record.name for run in evaluations.untested)
        lines.append(f"not tested: {names}. {_todo(collection)}")
    return lines


def _todo(collection: Collection) -> str:
    return f"python main.py segmentation {shlex.quote(str(collection.root))} --test makes the missing tests."


def _tile_keys(blocks: Sequence[Block]) -> list[str]:
    """Ways of predicting, whole images first, then by overlap."""
    modes = {mode for block in blocks for mode in block.setting.modes}
    return sorted(modes, key=lambda mode: (mode != REGULAR, overlap(mode)))


def _tiles_published(block: Block) -> list[tuple[str, Values]]:
    printed = {row["padding"]: row for row in paper.rows("table6", **block.paper_rows)}
    values = {
        scheme: {mode: value for mode, value in row.items() if mode == REGULAR or mode.startswith("tiled_")}
        for scheme, row in printed.items()
    }
    found = [(f"paper: {scheme}, one run", each) for scheme, each in values.items()]
    if {REFERENCE, PARTIAL} <= values.keys():
        zero = values[REFERENCE]
        difference = {mode: Difference(value - zero[mode]) for mode, value in values[PARTIAL].items()}
        found.append((f"paper: {PARTIAL} - {REFERENCE}", difference))
    return found


def _border_keys(blocks: Sequence[Block]) -> list[str]:
    """`regular` and the proportions of blocks that were tested in tiles without overlap, rising."""
    found = {share for block in blocks if NO_OVERLAP in block.setting.modes for share in block.setting.leave_out}
    return [REGULAR, *sorted(found, key=Fraction)] if found else []


def _border_published(block: Block) -> list[tuple[str, Values]]:
    printed = paper.rows("table7", **block.paper_rows)
    found = [(f"paper: {row['padding']}, one run", {REGULAR: row[REGULAR], **row["leave_out"]}) for row in printed]
    if found:
        differences = paper.content()["table7"]["diff"]
        found.append(("paper: diff", {key: Difference(value) for key, value in differences.items()}))
    return found


TILES = EvaluationTable(
    6,
    "Whole images and tiles (Table 6)",
    "table6_tiles",
    "mIoU over all pixels of the images: regular, each image at once; else from square tiles that overlap by the share "
    "named.",
    _tile_keys,
    tile_values,
    lambda mode: mode if mode == REGULAR else f"{overlap(mode)} tile overlap",
    _tiles_published,
)
BORDER = EvaluationTable(
    7,
    "Without the centre (Table 7)",
    "table7_border",
    "mIoU of the pixels that are left when the centre is left out, by the share of its height and width: regular, of "
    "whole images with nothing left out; the other columns in tiles without overlap.",
    _border_keys,
    border_values,
    lambda key: key if key in (REGULAR, "0") else f"{key} x {key}",
    _border_published,
)


@dataclass(frozen=True)
class BorderDifference:
    """Partial minus zero padding in one column, in percentage points.

    Attributes:
        network: name that runs are compared under.
        table: 6 or 7.
        column: `regular`, `tiled_0`, `tiled_1-3`, ... of Table 6; `regular` and the proportions, such as `1/3`, of
            Table 7.
        found: difference of the means with its interval.
        by_seed: the difference of the runs of each seed that both schemes ran once.
        paper: the paper's own difference, where it has this network and split.
    """

    network: str
    table: int
    column: str
    found: Comparison
    by_seed: dict[int, float]
    paper: float | None


def border_differences(collection: Collection) -> list[BorderDifference]:
    """Every column of both tables for each network that was tested with both schemes; claims rest on them.

    Of a network that was tested with several settings, the setting of most runs counts.
    """
    chosen: dict[str, Block] = {}
    for block in read_evaluations(collection).blocks:
        if {PARTIAL, REFERENCE} <= block.schemes.keys():
            # Blocks of a network come in falling order of their runs.
            chosen.setdefault(block.network, block)
    return [each for block in chosen.values() for kind in (TILES, BORDER) for each in _differences(block, kind)]


def _differences(block: Block, kind: EvaluationTable) -> Iterator[BorderDifference]:
    keys, published = kind.keys([block]), kind.published(block)
    if not keys:
        return
    found = kind.samples(block, keys)
    ours, theirs = found[PARTIAL], found[REFERENCE]
    printed = published[-1][1] if published else {}
    for number, (key, comparison) in enumerate(zip(keys, comparisons(ours, theirs), strict=True)):
        if comparison is not None:
            left, right = _by_seed(ours, number), _by_seed(theirs, number)
            by_seed = {seed: value - right[seed] for seed, value in left.items() if seed in right}
            yield BorderDifference(block.network, kind.number, key, comparison, by_seed, printed.get(key))


def _by_seed(runs: Sequence[Sample], column: int) -> dict[int, float]:
    """The values of seeds that were run once."""
    seeds = [run.seed for run in runs]
    return {run.seed: run.values[column] for run in runs if seeds.count(run.seed) == 1}
