"""What `validate` counts of each image, for a comparison of two validations image by image."""

from collections.abc import Callable

import torch


class ImageCounts:
    """Right predictions and all predictions of each image: one of a classified image, one a labelled pixel of a scene.

    Images without a target are left out: the stand-ins that fill a process's last batch, and scenes of ignored pixels.
    """

    def __init__(self) -> None:
        self._batches: list[torch.Tensor] = []

    def update(self, right: torch.Tensor, predictions: torch.Tensor) -> None:
        """Adds a batch: numbers (N,) of right predictions and of all predictions, 0 of an image without a target."""
        self._batches.append(torch.stack([right, predictions], 1).long())

    def compute(self, all_gather: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """(images, 2) int64 on the CPU, in the order of the data; every process must call it.

        Args:
            all_gather: LightningModule.all_gather: (n, 2) to (processes, n, 2), or unchanged on a single process.
        """
        if not self._batches:
            return torch.zeros(0, 2, dtype=torch.int64)
        mine = torch.cat(self._batches)
        # Process r of W validates images r, r + W, ...: the same number on each, thanks to the stand-ins.
        counts = all_gather(mine).view(-1, *mine.shape).transpose(0, 1).flatten(0, 1).cpu()
        return counts[counts[:, 1] > 0]
