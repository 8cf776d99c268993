"""Tables 6 and 7: mIoU in tiles and near the border, over all runs of each scheme.

Sections 4.2 and 4.2.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Both have one layout with
different columns: for each block of evaluations the schemes' means, the paper's values, and the runs; and below it the
differences from zero padding, column by column.
"""

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from records.evaluation import REGULAR, EvaluationRecord
from studies.page import palette
from studies.page.blocks import Bullets, Section, Text
from studies.page.tables import Column, Linked, Marked, Table, counts, decimals, interval, p_value, signed, starts
from studies.runs import paper
from studies.runs.collect import PARTIAL, REFERENCE, Collection
from studies.segmentation.evaluations import (
    MIOU,
    Block,
    Evaluations,
    Values,
    border_values,
    column,
    difference,
    overlap,
    read_evaluations,
    tile_values,
)
from studies.stats.spread import mean

READING = (
    "In percent. One line a scheme: the mean of its n runs; then what the paper prints, and the runs, linked to their "
    "folders. diff: difference of the means in percentage points; its interval and p are paired by seed where both "
    "schemes ran the same seeds, each once, else Welch's. They hold for each column by itself: the columns share "
    "pixels and runs. With one run of a scheme there is no interval: another seed may turn a difference around."
)


@dataclass(frozen=True)
class EvaluationTable:
    """What differs between the two tables; `number` is the paper's.

    Attributes:
        stem: stem of the files' names.
        explanation: text on what is counted.
        values: function that returns the columns of an evaluation; empty if it has none of them.
        heading: function that returns the heading of a column.
        printed: function that returns the same columns of a row of the paper.
    """

    number: int
    title: str
    stem: str
    explanation: str
    values: Callable[[EvaluationRecord], Values]
    heading: Callable[[str], str]
    printed: Callable[[paper.Row], Values]

    def paper(self, block: Block) -> dict[str, Values]:
        """The paper's values of a block by scheme, and its difference of partial from zero padding as `diff`."""
        run, record = block.first
        where = {"network": run.record.network, "split": record.data.get("split")}
        found = {row["padding"]: self.printed(row) for row in paper.rows(f"table{self.number}", **where)}
        if found:
            zero, partial = found[REFERENCE], found[PARTIAL]
            computed = {key: value - zero[key] for key, value in partial.items()}
            found["diff"] = paper.content()[f"table{self.number}"].get("diff", computed)
        return found

    def section(self, collection: Collection, blocks: Sequence[Block], output: Path) -> Section | None:
        """Returns the section, None if no block has the columns; writes `stem` and its differences as .csv and .md."""
        blocks = [block for block in blocks if self._keys([block])]
        if not blocks:
            return None
        styles = palette.styles(collection.schemes)
        means, differences = self._means(blocks, styles), self._differences(blocks, styles)
        files = [*means.write(output, self.stem), *differences.write(output, f"{self.stem}_differences")]
        content = [Text(self.explanation), means, differences, Text(READING, muted=True)]
        return Section(self.title, content, files)

    def _keys(self, blocks: Sequence[Block]) -> list[str]:
        """The keys of the columns of some blocks: whole images first, then by overlap or proportion."""
        keys = {key for block in blocks for key in self.values(block.first[1])}
        return sorted(keys, key=lambda key: (key != REGULAR, overlap(key)))

    def _means(self, blocks: Sequence[Block], styles: dict[str, palette.Style]) -> Table:
        keys, rows = self._keys(blocks), []
        for block in blocks:
            scores, printed = block.scores(self.values), self.paper(block)
            lines = []
            for scheme, runs in scores.items():
                columns = [[value for _, value in column(runs, key)] for key in keys]
                means = [mean(values) if values else None for values in columns]
                lines.append([Marked(f"{block.network}_{scheme}", styles[scheme]), *means, len(runs)])
            lines += [[f"paper: {name}", *map(values.get, keys), None] for name, values in printed.items()]
            for scheme, runs in scores.items():
                for run, values in runs.items():
                    name = Linked(f"{scheme}, seed {run.record.seed}", run.folder.path)
                    lines.append([name, *map(values.get, keys), 1])
            rows += [[heading, block.test, *cells, block.network] for heading, *cells in lines]
        columns = [Column("Padding"), Column("tested", only_csv=not any(block.test for block in blocks), words=True)]
        columns += [Column(self.heading(key), decimals(3)) for key in keys]
        columns += [Column("n"), Column("network", only_csv=True)]
        return Table(self.title, columns, rows, starts([(row[-1], row[1]) for row in rows]))

    def _differences(self, blocks: Sequence[Block], styles: dict[str, palette.Style]) -> Table:
        """A row for each scheme but zero and each column in which both have values."""
        rows = []
        for block in blocks:
            scores, printed = block.scores(self.values), self.paper(block).get("diff", {})
            for scheme, key in product(block.schemes, self._keys([block])):
                if scheme != REFERENCE and (found := difference(scores, scheme, key)):
                    name = Marked(f"{block.network}: {scheme} − {REFERENCE}", styles[scheme])
                    row = [name, block.test, self.heading(key), counts(found), found.mean, interval(found)]
                    rows.append([*row, found.kind, found.p, printed.get(key) if scheme == PARTIAL else None])
        columns = [Column("Comparison"), Column("tested", only_csv=not any(row[1] for row in rows), words=True)]
        columns += [Column("mIoU"), Column("n"), Column("diff", signed(3)), Column("95 % interval"), Column("test")]
        columns.append(Column("p", p_value))
        columns.append(Column("paper: diff", signed(3), only_csv=all(row[-1] is None for row in rows)))
        blocks_of = [(row[0].value, row[1]) for row in rows]
        return Table(f"{self.title}: differences from zero padding", columns, rows, starts(blocks_of))


TILES = EvaluationTable(
    6,
    "Whole images and tiles (Table 6)",
    "table6_tiles",
    "mIoU over all pixels of the images: regular, each image at once; else from square tiles that overlap by the share "
    "named.",
    tile_values,
    lambda mode: mode if mode == REGULAR else f"{overlap(mode)} tile overlap",
    lambda row: {mode: row[mode] for mode in row if mode == REGULAR or mode.startswith("tiled_")},
)
BORDER = EvaluationTable(
    7,
    "Without the centre (Table 7)",
    "table7_border",
    "mIoU of the pixels that are left when the centre is left out, by the share of its height and width: regular, of "
    "whole images with nothing left out; the other columns in tiles without overlap.",
    border_values,
    lambda key: key if key in (REGULAR, "0") else f"{key} x {key}",
    lambda row: {REGULAR: row[REGULAR], **row["leave_out"]},
)


def study_tiles(collection: Collection, output: Path) -> Section | None:
    """Returns Table 6 as a section, None for classifiers; writes `table6_tiles` and its `_differences` (.csv, .md).

    The section names the runs that were not tested, and the command that tests them.
    """
    evaluations = read_evaluations(collection)
    if not evaluations.blocks and collection.metric != MIOU:
        return None
    section = TILES.section(collection, evaluations.blocks, output)
    content = list(section.blocks) if section else [Text(f"{TILES.title}: not run. {_todo(collection)}", terminal=True)]
    if evaluations.blocks:
        content.append(Bullets([f"{block.network}: {block.words}" for block in evaluations.blocks]))
    if missing := _missing(collection, evaluations):
        content += [Text("In no table of tests:", muted=True), Bullets(missing, terminal=True)]
    return Section(TILES.title, content, section.files if section else ())


def study_border(collection: Collection, output: Path) -> Section | None:
    """Returns Table 7 as a section, None without tests in tiles without overlap; writes `table7_border` likewise."""
    return BORDER.section(collection, read_evaluations(collection).blocks, output)


def _missing(collection: Collection, evaluations: Evaluations) -> list[str]:
    """A line for each file that is left out, and one on the runs that were not tested."""
    lines = [f"left out: {entry}" for entry in evaluations.left_out]
    if evaluations.untested:
        names = ", ".join(run.record.name for run in evaluations.untested)
        lines.append(f"not tested: {names}. {_todo(collection)}")
    return lines


def _todo(collection: Collection) -> str:
    return f"python main.py segmentation {shlex.quote(str(collection.root))} --test makes the missing tests."


def compared_blocks(collection: Collection) -> list[Block]:
    """The block of most runs for each network that was tested with zero and partial padding; the claims use them."""
    chosen: dict[str, Block] = {}
    for block in read_evaluations(collection).blocks:
        if {PARTIAL, REFERENCE} <= block.schemes.keys():
            # The first block of a network is the one of most runs.
            chosen.setdefault(block.network, block)
    return [*chosen.values()]
