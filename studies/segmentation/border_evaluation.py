"""Table 7: the mIoU near the border, leaving out more and more of the centre, over all runs of each scheme."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from records.evaluation import REGULAR, EvaluationRecord
from studies.page.scheme_rows import Difference
from studies.page.section import Section
from studies.runs import paper
from studies.runs.collect import Collection
from studies.segmentation import evaluation_table
from studies.segmentation.evaluation_table import Kind, Values
from studies.segmentation.evaluations import NO_OVERLAP, Block

EXPLANATION = (
    "mIoU of the pixels that are left when the centre is left out, by the share of its height and width: regular, of "
    "whole images with nothing left out; the other columns in tiles without overlap."
)


def study(collection: Collection, output: Path) -> Section | None:
    """Table 7 as a section, or None without tests in tiles without overlap; writes `table7_border.csv` and `.md`."""
    return evaluation_table.study(collection, output, BORDER)


def keys(blocks: Sequence[Block]) -> list[str]:
    """`regular` and the proportions of blocks that were tested in tiles without overlap, rising."""
    found = {share for block in blocks if NO_OVERLAP in block.setting.modes for share in block.setting.leave_out}
    return [REGULAR, *sorted(found, key=Fraction)] if found else []


def values(record: EvaluationRecord) -> Values:
    # Imported late: torch takes seconds, and reports of classifiers need none.
    from studies.segmentation.evaluation_values import border_values

    return border_values(record)


def column(key: str) -> str:
    """The paper's headings."""
    return key if key in (REGULAR, "0") else f"{key} x {key}"


def published(block: Block) -> list[tuple[str, Values]]:
    """The paper's rows of this network and the differences that it prints; none if it has none."""
    printed = paper.rows("table7", network=block.encoder, split=block.split)
    found = [(f"paper: {row['padding']}, one run", {REGULAR: row[REGULAR], **row["leave_out"]}) for row in printed]
    if found:
        differences = paper.content()["table7"]["diff"]
        found.append(("paper: diff", {key: Difference(value) for key, value in differences.items()}))
    return found


BORDER = Kind("Without the centre (Table 7)", "table7_border", EXPLANATION, keys, values, column, published)
