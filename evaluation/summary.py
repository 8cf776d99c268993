"""Computes the columns of Table 7, and mIoU by distance to the border, from a confusion matrix grouped by position."""

from collections.abc import Sequence

import torch

from evaluation.border import check_edges
from evaluation.confusion import mean_iou
from evaluation.errors import EvaluationError


def leave_out_miou(grouped: torch.Tensor) -> list[float]:
    """mIoU (0 to 1) outside the centre box of each proportion, in the order of proportions: one line of Table 7.

    `grouped` is (n + 1, C, C), grouped by the bands of `leave_out_bands` for n proportions. Raises EvaluationError for
    fewer than two groups.

    >>> leave_out_miou(torch.tensor([[[1, 0], [0, 1]], [[0, 2], [0, 3]]]))
    [1.0]
    """
    _check_grouped(grouped, 2)
    # Proportion i of n keeps bands 0 to n - 1 - i; the sum over all bands belongs to no proportion.
    return [mean_iou(confusion) for confusion in grouped.cumsum(0)[:-1].flip(0)]


def distance_miou(grouped: torch.Tensor, edges: Sequence[int]) -> dict[str, float]:
    """mIoU (0 to 1) by distance to the border: key `0-3` for pixels 0 to 3 pixels away; NaN if there are none.

    `grouped` is (len(edges) + 1, C, C), grouped by the bins of `distance_groups` for the same edges, in pixels. Raises
    EvaluationError if the edges do not rise from 1 or more, or do not match the number of groups.

    >>> distance_miou(torch.tensor([[[1, 1], [0, 2]], [[4, 0], [0, 4]]]), edges=[8])["8+"]
    1.0
    """
    check_edges(edges)
    _check_grouped(grouped, len(edges) + 1, exactly=True)
    names = [*(f"{start}-{stop - 1}" for start, stop in zip([0, *edges], edges, strict=False)), f"{edges[-1]}+"]
    return dict(zip(names, map(mean_iou, grouped), strict=True))


def _check_grouped(grouped: torch.Tensor, groups: int, exactly: bool = False) -> None:
    square = grouped.dim() == 3 and grouped.shape[1] == grouped.shape[2]
    if not square or len(grouped) < groups or (exactly and len(grouped) > groups):
        raise EvaluationError(
            f"expected a confusion matrix ({groups}{'' if exactly else ' or more'}, C, C), got {tuple(grouped.shape)}"
        )
