"""Tables 5 to 7 of one tested checkpoint, for a terminal: regular and tiled, at the border, by class and by distance.

All values follow from the confusion matrices of an EvaluationRecord (sections 4.2 and 4.2.1 of Partial Convolution
based Padding, Liu et al. 2018) and are in percent.
"""

import math
from collections.abc import Iterable, Sequence

import torch
from rich.box import SIMPLE_HEAD
from rich.table import Table

from evaluation import class_iou, distance_miou, leave_out_miou, mean_iou
from records.evaluation import REGULAR, EvaluationRecord

Counts = dict[str, torch.Tensor]
"""Each way of predicting, such as `regular` and `tiled_1-3`, to its counts (bands, bins, C, C)."""


def tables(record: EvaluationRecord) -> list[Table]:
    """Every table: the paper's first, in its order; then IoU by class and mIoU by distance."""
    counts = {mode: torch.as_tensor(each, dtype=torch.int64) for mode, each in record.confusion.items()}
    return [_whole(counts), _border(record, counts), _classes(record, counts), _distance(record, counts)]


def _whole(counts: Counts) -> Table:
    rows = [(_words(mode), [mean_iou(each.sum((0, 1)))]) for mode, each in counts.items()]
    return _table("mIoU, regular and tiled (Tables 5 and 6)", ["prediction", "mIoU"], rows)


def _border(record: EvaluationRecord, counts: Counts) -> Table:
    of_tiles = record.border_scope == "tile"
    # Where tiles overlap, a pixel lies in several tiles and its bands are those of the image.
    shown = {mode: each for mode, each in counts.items() if mode == "tiled_0" or not of_tiles}
    rows = [(_words(mode), leave_out_miou(each.sum(1))) for mode, each in shown.items()]
    centre = "each tile" if of_tiles else "the image"
    return _table(f"mIoU without the centre of {centre} (Table 7)", ["leave-out", *record.leave_out], rows)


def _classes(record: EvaluationRecord, counts: Counts) -> Table:
    found = [class_iou(each.sum((0, 1))).tolist() for each in counts.values()]
    rows = zip(record.class_names, zip(*found, strict=True), strict=True)
    return _table("IoU by class", ["class", *map(_words, counts)], rows)


def _distance(record: EvaluationRecord, counts: Counts) -> Table:
    title = "mIoU by distance to the nearest border, of the image or, in tiles, of the tile"
    curves = [distance_miou(each.sum(0), record.distance_edges) for each in counts.values()]
    rows = [(name, [curve[name] for curve in curves]) for name in curves[0]]
    return _table(title, ["pixels", *map(_words, counts)], rows)


def _table(title: str, columns: Sequence[str], rows: Iterable[tuple[str, Iterable[float]]]) -> Table:
    """Shares of 1 in percent with the paper's three decimals; `-` for a class or bin without pixels."""
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for number, name in enumerate(columns):
        table.add_column(name, justify="right" if number else "left", no_wrap=True)
    for heading, shares in rows:
        table.add_row(heading, *("-" if math.isnan(share) else f"{100 * share:.3f}" for share in shares))
    return table


def _words(mode: str) -> str:
    """`tiled, overlap 1/3` for the mode `tiled_1-3`."""
    return mode if mode == REGULAR else f"tiled, overlap {mode.removeprefix('tiled_').replace('-', '/')}"
