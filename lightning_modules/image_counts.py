"""Counts the right predictions of each image in `validate`, to compare two validations image by image."""

from collections.abc import Callable

import torch


class ImageCounts:
    """Counts right predictions and all predictions per image: 1 if it is classified, else 1 per labelled pixel.

    Leaves out images without a target: stand-ins that fill a process's last batch, and scenes of ignored pixels only.
    """

    def __init__(self) -> None:
        self._batches: list[torch.Tensor] = []

    def update(self, right: torch.Tensor, predictions: torch.Tensor) -> None:
        """Adds a batch: numbers (N,) of right predictions and of all predictions, 0 for an image without a target."""
        self._batches.append(torch.stack([right, predictions], 1).long())

    def compute(self, all_gather: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """The counts (images, 2) int64 on the CPU, in the order of the data; every process must call it.

        Args:
            all_gather: LightningModule.all_gather, which turns (n, 2) into (processes, n, 2), or returns (n, 2)
                unchanged in a single process.
        """
        if not self._batches:
            return torch.zeros(0, 2, dtype=torch.int64)
        mine = torch.cat(self._batches)
        # Process r of W validates images r, r + W, ...; stand-ins make their number the same on each process.
        counts = all_gather(mine).view(-1, *mine.shape).transpose(0, 1).flatten(0, 1).cpu()
        return counts[counts[:, 1] > 0]
