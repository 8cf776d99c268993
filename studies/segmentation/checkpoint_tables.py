"""Tables 5 to 7 of one tested checkpoint, for a terminal: regular and tiled, at the border, by class and by distance.

All of it follows from the confusion matrices of an EvaluationRecord: sections 4.2 and 4.2.1 of Partial Convolution
based Padding (Liu et al. 2018). Values are in percent.
"""

import math

import torch
from rich.table import Table

from evaluation import class_iou, distance_curve, leave_out_miou, mean_iou
from records.evaluation import REGULAR, EvaluationRecord
from studies.page.section import printed_table
from studies.segmentation.evaluations import NO_OVERLAP


def tables(record: EvaluationRecord) -> list[Table]:
    """Every table, in the order of the paper; those beyond the paper last."""
    grouped = {mode: torch.tensor(counts, dtype=torch.int64) for mode, counts in record.confusion.items()}
    return [_whole(grouped), _border(record, grouped), _classes(record, grouped), _distance(record, grouped)]


def way(mode: str) -> str:
    """`tiled, overlap 1/3` for the mode `tiled_1-3`."""
    return mode if mode == REGULAR else f"tiled, overlap {mode.removeprefix('tiled_').replace('-', '/')}"


def percent(share: float) -> str:
    """Three decimals of a share of 1, as the paper; `-` for a class or bin without pixels."""
    return "-" if math.isnan(share) else f"{100 * share:.3f}"


def _table(title: str, first: str, columns: list[str]) -> Table:
    table = printed_table(title)
    table.add_column(first, no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _whole(grouped: dict[str, torch.Tensor]) -> Table:
    table = _table("mIoU, regular and tiled (Tables 5 and 6)", "prediction", ["mIoU"])
    for mode, counts in grouped.items():
        table.add_row(way(mode), percent(mean_iou(counts.sum((0, 1)))))
    return table


def _border(record: EvaluationRecord, grouped: dict[str, torch.Tensor]) -> Table:
    table = _table(f"mIoU without the centre of {_centre(record)} (Table 7)", "leave-out", record.leave_out)
    for mode, counts in grouped.items():
        if record.border_scope == "tile" and mode != NO_OVERLAP:
            continue  # counted around the image's centre: a pixel may lie in several tiles
        table.add_row(way(mode), *map(percent, leave_out_miou(counts.sum(1))))
    return table


def _centre(record: EvaluationRecord) -> str:
    return "the image" if record.border_scope == "image" else "each tile"


def _classes(record: EvaluationRecord, grouped: dict[str, torch.Tensor]) -> Table:
    table = _table("IoU by class", "class", [way(mode) for mode in grouped])
    found = [class_iou(counts.sum((0, 1))).tolist() for counts in grouped.values()]
    for name, *values in zip(record.class_names, *found, strict=True):
        table.add_row(name, *map(percent, values))
    return table


def _distance(record: EvaluationRecord, grouped: dict[str, torch.Tensor]) -> Table:
    table = _table(
        "mIoU by distance to the nearest border, of the image or, in tiles, of the tile",
        "pixels",
        list(map(way, grouped)),
    )
    curves = [distance_curve(counts.sum(0), record.distance_edges) for counts in grouped.values()]
    for bins in zip(*curves, strict=True):
        start, stop = bins[0].start, bins[0].stop
        table.add_row(
            f"{start} and more" if stop is None else f"{start} to {stop - 1}", *(percent(b.miou) for b in bins)
        )
    return table
