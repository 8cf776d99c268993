"""Columns of Table 7, and the curve over the distance to the border, from one confusion matrix grouped by position."""

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
        EvaluationError: for fewer than two groups.

    >>> border, centre = torch.tensor([[1, 0], [0, 1]]), torch.tensor([[0, 2], [0, 3]])
    >>> leave_out_confusions(torch.stack([border, centre])).tolist()
    [[[1, 0], [0, 1]]]
    """
    _check_grouped(grouped, 2)
    # Proportion i of n keeps bands 0 to n - 1 - i; the sum over all bands belongs to none.
    return grouped.cumsum(0)[:-1].flip(0)


def leave_out_miou(grouped: torch.Tensor) -> list[float]:
    """mIoU outside each proportion's centre box, from 0 to 1: one line of Table 7.

    Arguments and errors as `leave_out_confusions`.

    >>> leave_out_miou(torch.tensor([[[1, 0], [0, 1]], [[0, 2], [0, 3]]]))
    [1.0]
    """
    return [mean_iou(confusion) for confusion in leave_out_confusions(grouped)]


class DistanceBin(NamedTuple):
    """Pixels at least `start` and less than `stop` pixels from the border.

    `stop` is None for the last bin, which is open; `miou` and `accuracy` run from 0 to 1 and are NaN in a bin without
    pixels.

    >>> DistanceBin(start=4, stop=8, miou=0.5, accuracy=0.9, pixels=100).accuracy
    0.9
    """

    start: int
    stop: int | None
    miou: float
    accuracy: float
    pixels: int


def distance_curve(grouped: torch.Tensor, edges: Sequence[int]) -> list[DistanceBin]:
    """mIoU and accuracy by distance from the border.

    Args:
        grouped: (len(edges) + 1, C, C), by the bins that `distance_groups` gives for the same edges.
        edges: in pixels, as for `distance_groups`.

    Raises:
        EvaluationError: if the edges do not rise from 1 or more, or do not match the number of groups.

    >>> near, far = distance_curve(torch.tensor([[[1, 1], [0, 2]], [[4, 0], [0, 4]]]), edges=[8])
    >>> near.accuracy, far.start, far.pixels
    (0.75, 8, 8)
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
