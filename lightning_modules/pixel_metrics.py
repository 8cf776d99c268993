"""Loss and mIoU of semantic segmentation over the labelled pixels."""

import torch
from torch.nn.functional import cross_entropy
from torchmetrics import Metric

from evaluation import class_iou, confusion_matrix, mean_iou
from lightning_modules.exact_mean import EpochMetrics, ExactMean

IGNORED_PIXEL = 255
"""Target of a pixel without a class; losses and metrics ignore it."""


class GroupedConfusion(Metric):
    """Confusion matrices (groups, classes, classes) of all pixels so far; rows are targets, columns predictions.

    Integer counts, so that the sum over processes is exact. A target that is no class must be 255, the ignored label.
    """

    full_state_update = False

    def __init__(self, num_classes: int, num_groups: int = 1) -> None:
        super().__init__()
        self.num_classes, self.num_groups = num_classes, num_groups
        self.add_state(
            "counts", torch.zeros(num_groups, num_classes, num_classes, dtype=torch.int64), dist_reduce_fx="sum"
        )

    def update(self, prediction: torch.Tensor, target: torch.Tensor, groups: torch.Tensor | None = None) -> None:
        """Adds the pixels of class maps (H, W), each to the matrix of its group (H, W)."""
        self.counts += confusion_matrix(prediction, target, self.num_classes, groups=groups, num_groups=self.num_groups)

    def compute(self) -> torch.Tensor:
        return self.counts


class PixelMetrics(EpochMetrics):
    """Mean loss per pixel, and mIoU from one confusion matrix over all images."""

    def __init__(self, num_classes: int) -> None:
        super().__init__(loss=ExactMean(), confusion=GroupedConfusion(num_classes))

    def update(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Adds the logits (C, H, W) of an image with target (H, W); returns the predicted classes (H, W)."""
        loss, pixels = pixel_loss(logits[None], target[None])
        self.loss.update(loss, weight=pixels)
        prediction = logits.argmax(0)
        self.confusion.update(prediction, target)
        return prediction

    def compute(self) -> dict[str, float]:
        """`loss` in nats and `miou` in percent."""
        (confusion,) = self.confusion.compute()
        return {"loss": self.loss.compute(), "miou": 100 * mean_iou(confusion)}

    def class_iou(self) -> list[float]:
        """IoU of each class in percent; NaN for a class that is neither in the targets nor predicted."""
        (confusion,) = self.confusion.compute()
        return (100 * class_iou(confusion)).tolist()


def pixel_loss(logits: torch.Tensor, targets: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean cross entropy (nats) of logits (N, C, H, W) over the labelled pixels (0 without any), and their number."""
    pixels = (targets != IGNORED_PIXEL).sum()
    # reduction="sum" has no deterministic kernel for maps on GPUs.
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    losses = cross_entropy(logits, targets, ignore_index=IGNORED_PIXEL, reduction="none")
    return losses.sum() / pixels.clamp(min=1), pixels
