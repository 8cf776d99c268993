"""From one confusion matrix grouped by pixels' places to the columns of Table 7 and the curve over the border."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from evaluation.border import check_edges
from evaluation.confusion import mean_iou, pixel_accuracy
from evaluation.errors import EvaluationError


def leave_out_confusions(grouped: torch.Tensor) -> torch.Tensor:
    """The confusion of the pixels outside each proportion's centre box.

    Args:
        grouped: (n + 1, C, C), by the bands that `leave_out_bands` gives for n proportions.

    Returns:
        (n, C, C), in the order of the proportions.

    Raises:
        EvaluationError: if there are no two groups at least.
    """
    _check_grouped(grouped, 2)
    return grouped.cumsum(0)[:-1].flip(0)


def leave_out_miou(grouped: torch.Tensor) -> list[float]:
    """mIoU outside each proportion's centre box, from 0 to 1: one line of Table 7.

    Arguments and errors as `leave_out_confusions`.
    """
    return [mean_iou(confusion) for confusion in leave_out_confusions(grouped)]


class DistanceBin(NamedTuple):
    """Pixels at least `start` and less than `stop` pixels from the border.

    `stop` is None for the last bin, which is open; `miou` and `accuracy` run from 0 to 1 and are NaN in a bin without
    pixels.
    """

    start: int
    stop: int | None
    miou: float
    accuracy: float
    pixels: int


def distance_curve(grouped: torch.Tensor, edges: Sequence[int]) -> list[DistanceBin]:
    """How good the prediction is at each distance from the border.

    Args:
        grouped: (len(edges) + 1, C, C), by the bins that `distance_groups` gives for the same edges.
        edges: in pixels, as for `distance_groups`.

    Raises:
        EvaluationError: if the edges do not rise from 1 or more, or the number of groups is another.
    """
    check_edges(edges)
    _check_grouped(grouped, len(edges) + 1, exactly=True)
    bounds = zip([0, *edges], [*edges, None], grouped, strict=True)
    return [
        DistanceBin(start, stop, mean_iou(confusion), pixel_accuracy(confusion), int(confusion.sum()))
        for start, stop, confusion in bounds
    ]


def _check_grouped(grouped: torch.Tensor, groups: int, exactly: bool = False) -> None:
    square = grouped.dim() == 3 and grouped.shape[1] == grouped.shape[2]
    if not square or len(grouped) < groups or (exactly and len(grouped) > groups):
        raise EvaluationError(
            f"expected a confusion matrix ({groups}{'' if exactly else ' or more'}, C, C), got {tuple(grouped.shape)}"
        )
