"""Table 6: whole images against tiles without and with overlap, over all runs of each scheme."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.text import Text

from records.evaluation import REGULAR, EvaluationRecord
from studies.page import html
from studies.page.scheme_rows import Difference
from studies.page.section import Section
from studies.runs import paper
from studies.runs.collect import Collection
from studies.segmentation import evaluation_table
from studies.segmentation.evaluation_table import Kind, Values
from studies.segmentation.evaluations import Block, Evaluations, overlap, read_evaluations
from studies.segmentation.split_accuracy import MIOU

EXPLANATION = (
    "mIoU over all pixels of the images: regular, each image at once; else from square tiles that overlap by the share "
    "named."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Table 6 as a section; writes `table6_tiles.csv` and `.md`. None of classifiers.

    Of segmentation runs that were not tested it says which command does it.
    """
    evaluations = read_evaluations(collection)
    if not evaluations.blocks and collection.metric != MIOU:
        return None
    section = evaluation_table.study(collection, output, TILES)
    if section is None:
        section = Section(TILES.title, html.paragraph(f"Not run. {todo(collection)}"), [f"{TILES.title}: not run\n"])
    missing = not_in_tables(collection, evaluations)
    body = section.body + html.bullets(f"{block.network}: {block.setting}" for block in evaluations.blocks)
    body += html.paragraph("In no table of tests:", "muted") + html.bullets(missing) if missing else ""
    return Section(section.title, body, [*section.printed, *map(Text, missing)], section.files)


def not_in_tables(collection: Collection, evaluations: Evaluations) -> list[str]:
    """A line for each file that is left out, and what to do about runs that were not tested."""
    lines = [f"left out: {entry}" for entry in evaluations.left_out]
    if evaluations.untested:
        names = ", ".join(run.record.name for run in evaluations.untested)
        lines.append(f"not tested: {names}. {todo(collection)}")
    return lines


def todo(collection: Collection) -> str:
    return f"python main.py segmentation {shlex.quote(str(collection.root))} --test makes the missing tests."


def keys(blocks: Sequence[Block]) -> list[str]:
    """Ways of predicting, whole images first, then by overlap."""
    return sorted(
        {mode for block in blocks for mode in block.setting.modes}, key=lambda mode: (mode != REGULAR, overlap(mode))
    )


def values(record: EvaluationRecord) -> Values:
    # Imported late: torch takes seconds, and reports of classifiers need none.
    from studies.segmentation.evaluation_values import tile_values

    return tile_values(record)


def column(mode: str) -> str:
    return mode if mode == REGULAR else f"{overlap(mode)} tile overlap"


def published(block: Block) -> list[tuple[str, Values]]:
    """The paper's rows of this network, and their difference; none if it has none."""
    printed = {row["padding"]: row for row in paper.rows("table6", network=block.encoder, split=block.split)}
    found = [(f"paper: {scheme}, one run", _modes(row)) for scheme, row in printed.items()]
    if {"zero", "partial"} <= printed.keys():
        difference = {
            mode: Difference(value - printed["zero"][mode]) for mode, value in _modes(printed["partial"]).items()
        }
        found.append(("paper: partial - zero", difference))
    return found


def _modes(row: paper.Row) -> Values:
    return {mode: value for mode, value in row.items() if mode == REGULAR or mode.startswith("tiled_")}


TILES = Kind("Whole images and tiles (Table 6)", "table6_tiles", EXPLANATION, keys, values, column, published)
