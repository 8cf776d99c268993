"""From the confusion matrices of an evaluation to the columns of Tables 6 and 7 and the curve over the border.

Sections 4.2 and 4.2.1 of Partial Convolution based Padding (Liu et al. 2018). Values are in percent. Needs torch,
which takes seconds to import: studies import this module when there is something to compute.
"""

import math

import torch

from evaluation import distance_curve, leave_out_miou, mean_iou
from records.evaluation import REGULAR, EvaluationRecord
from studies.segmentation.evaluations import NO_OVERLAP


def tile_values(record: EvaluationRecord) -> dict[str, float | None]:
    """Table 6: each way of predicting, such as `regular` and `tiled_1-3`, to the mIoU of all pixels."""
    return {mode: percent(mean_iou(counts.sum((0, 1)))) for mode, counts in grouped(record).items()}


def border_values(record: EvaluationRecord) -> dict[str, float | None]:
    """Table 7: `regular`, and each left-out proportion to the mIoU of what is left, in tiles without overlap.

    Empty without that tiling.
    """
    counts = grouped(record)
    if NO_OVERLAP not in counts:
        return {}
    kept = leave_out_miou(counts[NO_OVERLAP].sum(1))
    values = {REGULAR: percent(mean_iou(counts[REGULAR].sum((0, 1))))}
    return values | {name: percent(share) for name, share in zip(record.leave_out, kept, strict=True)}


def distance_values(record: EvaluationRecord, mode: str) -> list[float | None]:
    """The curve over the distance to the nearest border: a value a bin."""
    return [percent(each.miou) for each in distance_curve(grouped(record)[mode].sum(0), record.distance_edges)]


def grouped(record: EvaluationRecord) -> dict[str, torch.Tensor]:
    """Each way of predicting to its counts (bands, bins, C, C), int64."""
    return {mode: torch.tensor(counts, dtype=torch.int64) for mode, counts in record.confusion.items()}


def percent(share: float) -> float | None:
    """None where no pixel counts."""
    return None if math.isnan(share) else 100 * share
