"""Computes confusion matrices and the mean intersection over union (mIoU) of Tables 5 to 7, as Cityscapes does."""

import torch

from evaluation.errors import EvaluationError


def confusion_matrix(
    prediction: torch.Tensor,
    target: torch.Tensor,
    num_classes: int,
    ignore_index: int = 255,
    groups: torch.Tensor | None = None,
    num_groups: int = 1,
) -> torch.Tensor:
    """Counts pixels by group, class in the target and class in the prediction.

    Matrices of several images or processes add up; all scores of this package are computed from such sums.

    Args:
        prediction: predicted classes, integers of any shape, 0 to num_classes - 1 everywhere.
        target: true classes of the same shape, 0 to num_classes - 1, or `ignore_index` for pixels not to count.
        num_classes: number of classes, C.
        ignore_index: value in the target of pixels without a class.
        groups: group of each pixel, 0 to num_groups - 1, as from `leave_out_bands` and `distance_groups`, in a shape
            that expands to the target's, on its device; None for all pixels in group 0.
        num_groups: number of groups.

    Returns:
        (num_groups, C, C) int64; rows are classes in the target, columns in the prediction.

    Raises:
        EvaluationError: shapes or dtypes do not fit, or a prediction, a target or a group is out of range.

    >>> confusion_matrix(torch.tensor([0, 1, 1]), torch.tensor([0, 0, 255]), num_classes=2)
    tensor([[[1, 1],
             [0, 0]]])
    """
    if prediction.shape != target.shape:
        raise EvaluationError(f"the prediction has shape {tuple(prediction.shape)}, the target {tuple(target.shape)}")
    if groups is None:
        groups = target.new_zeros((), dtype=torch.uint8)
    groups = _expand(groups, target)
    _check_range("prediction", prediction, num_classes)
    _check_range("group", groups, num_groups)
    counted = target != ignore_index
    _check_range("target", target.where(counted, 0), num_classes, f", or {ignore_index} to ignore a pixel")
    # Count ignored pixels in one extra bin: 6x faster than boolean indexing.
    index = (groups.long() * num_classes + target) * num_classes + prediction
    places = num_groups * num_classes**2
    counts = torch.bincount(index.where(counted, places).flatten(), minlength=places + 1)
    return counts[:places].view(num_groups, num_classes, num_classes)


def _expand(groups: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    try:
        return groups.expand_as(target)
    except RuntimeError:
        raise EvaluationError(
            f"groups of shape {tuple(groups.shape)} do not fit a target of shape {tuple(target.shape)}"
        ) from None


def _check_range(what: str, values: torch.Tensor, count: int, also: str = "") -> None:
    if values.dtype.is_floating_point or values.dtype == torch.bool:
        raise EvaluationError(f"the {what} must hold integers, got {values.dtype}")
    if not values.numel():
        return
    # This waits for a GPU, but without it a class out of range would count as another pair of classes.
    low, high = (int(value) for value in torch.aminmax(values))
    if low < 0 or high >= count:
        raise EvaluationError(f"a {what} is {low if low < 0 else high}; it must be 0 to {count - 1}{also}")


def class_iou(confusion: torch.Tensor) -> torch.Tensor:
    """Intersection over union of each class, (..., C), of confusion matrices (..., C, C): TP / (row + column - TP).

    Rows are the target's classes. The result is float64 on the CPU (not every device has float64). It is NaN for a
    class in neither target nor prediction, and 0 for a class in the prediction only.

    >>> class_iou(torch.tensor([[3, 1], [0, 4]]))
    tensor([0.7500, 0.8000], dtype=torch.float64)
    """
    counts = confusion.cpu().double()
    hits = counts.diagonal(dim1=-2, dim2=-1)
    return hits / (counts.sum(-1) + counts.sum(-2) - hits)


def mean_iou(confusion: torch.Tensor) -> float:
    """mIoU of a (C, C) confusion matrix: the mean of `class_iou` over the classes that are not NaN, NaN if all are.

    Raises:
        EvaluationError: `confusion` is not a single matrix (C, C).

    >>> round(mean_iou(torch.tensor([[3, 1], [0, 4]])), 3)
    0.775
    """
    if confusion.dim() != 2 or confusion.shape[0] != confusion.shape[1]:
        raise EvaluationError(
            f"expected one confusion matrix (C, C), got {tuple(confusion.shape)}; take one group, or sum(0) for all"
        )
    return class_iou(confusion).nanmean().item()
