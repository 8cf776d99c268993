"""The class that a classifier gives to each tested image, in order."""

from typing import Any

import pytorch_lightning as pl
import torch


class PredictedClasses(pl.Callback):
    """Collects what `test_step` returns, of one process, which sees every image in the order of the data."""

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
        """(N,) int64 of all images."""
        return torch.cat(self._batches)
