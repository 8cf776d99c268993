"""A confusion matrix as a metric: integers, so that its sum over processes is exact."""

import torch
from torchmetrics import Metric

from evaluation import confusion_matrix


class GroupedConfusion(Metric):
    """Confusion matrices (groups, classes, classes) of all pixels seen, rows target, columns prediction.

    Args:
        num_classes: classes that count; other targets must be 255, the ignored label.
        num_groups: groups that pixels are counted in separately.
    """

    full_state_update = False

    def __init__(self, num_classes: int, num_groups: int = 1) -> None:
        super().__init__()
        self.num_classes, self.num_groups = num_classes, num_groups
        self.add_state(
            "counts", torch.zeros(num_groups, num_classes, num_classes, dtype=torch.int64), dist_reduce_fx="sum"
        )

    def update(self, prediction: torch.Tensor, target: torch.Tensor, groups: torch.Tensor | None = None) -> None:
        """Counts the pixels of class maps (H, W); `groups` (H, W) says which group each is in."""
        self.counts += confusion_matrix(prediction, target, self.num_classes, groups=groups, num_groups=self.num_groups)

    def compute(self) -> torch.Tensor:
        return self.counts
