"""Lightning's progress bar without a synchronisation with the device at each step."""

import time
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import RichProgressBar


class ProgressBar(RichProgressBar):
    """Shows the training loss of a step once per second, since reading the loss waits for the device."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: dict[str, float] = {}
        self._next = 0.0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if time.monotonic() >= self._next:
            self._shown = {"train/loss_step": float(outputs["loss"]) * trainer.accumulate_grad_batches}
            self._next = time.monotonic() + 1
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        return super().get_metrics(trainer, pl_module) | self._shown
