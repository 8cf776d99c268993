"""Collects the class that a classifier predicts for each tested image, in order."""

from typing import Any

import pytorch_lightning as pl
import torch


class PredictedClasses(pl.Callback):
    """Collects the results of `test_step` in a single process, which gets all images in the order of the data."""

    def __init__(self) -> None:
        self._batches: list[torch.Tensor] = []

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._batches = []

    def on_test_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: torch.Tensor, *_: Any
    ) -> None:
        self._batches.append(outputs.cpu())

    @property
    def classes(self) -> torch.Tensor:
        """Predicted classes of all images (N,) int64."""
        return torch.cat(self._batches)
