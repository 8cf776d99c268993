"""Stops a run whose loss is NaN or infinite, before a checkpoint with such weights is saved."""

import math
import sys
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from datamodules.errors import some
from records.errors import FailedRunError
from training.callbacks.host_copy import HostCopy
from training.checkpoint_files import RESUME_PATTERN

LOOK_EVERY = 50
"""Number of training batches whose losses are checked together."""

SHOWN = 8
"""Number of the batch's files that the message names."""


class _Batch(NamedTuple):
    step: int
    epoch: int
    batch: int
    rate: float


class FiniteLoss(pl.Callback):
    """Checks the training loss of every batch, and the weights before each validation and checkpoint.

    The losses stay on the device until there are LOOK_EVERY of them. Then an asynchronous copy starts, which a later
    step reads, so that no step waits for the device. Validations and checkpoints do wait: none may use weights that
    came from a NaN.

    Args:
        checkpoints: folder of the run's checkpoints, for the message.
        on_nan: "stop" ends all processes, with exit status 1 on the first; "warn" warns once and goes on.
    """

    def __init__(self, checkpoints: Path, on_nan: Literal["stop", "warn"]) -> None:
        self.checkpoints, self.on_nan = checkpoints, on_nan
        self._losses = torch.empty(0)
        self._batches: list[_Batch] = []
        self._copied: tuple[list[_Batch], HostCopy] | None = None
        self._now = _Batch(0, 0, 0, 0.0)

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Noted at the start: at the batch's end the schedule has already set the next rate.
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self._now = _Batch(trainer.global_step + 1, trainer.current_epoch, batch_idx, rate)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self._batches:
            self._losses = torch.zeros(LOOK_EVERY, device=pl_module.device)
        # Lightning divided the loss by the number of accumulated batches.
        self._losses[len(self._batches)] = outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._batches.append(self._now)
        if len(self._batches) == LOOK_EVERY:
            self._check_copied(trainer)
            self._copy(pl_module, self._losses)
        # Only in a single process: several must check at the same step, and their copies are ready at different ones.
        if self._copied and trainer.world_size == 1 and self._copied[1].ready:
            self._check_copied(trainer)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._look(trainer, pl_module)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        self._look(trainer, pl_module)

    def _look(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Checks losses and weights now. Collective: all processes call it at the same step and stop together.

        Raises as `_check_copied`.
        """
        self._check_copied(trainer)
        if self.on_nan == "ignore":
            self._batches = []
            return
        weights = torch.where(_finite(module), 0.0, math.nan)
        # `_losses` may be empty still: a resume that begins with a validation comes here before its first batch.
        self._copy(module, torch.cat([self._losses[: len(self._batches)].to(weights), weights.view(1)]))
        self._check_copied(trainer)

    def _copy(self, module: pl.LightningModule, seen: torch.Tensor) -> None:
        """Starts the copy of all processes' `seen`: losses of the batches so far, perhaps the state of the weights."""
        self._copied = self._batches, HostCopy(module.all_gather(seen).view(-1, len(seen)))
        self._batches = []

    def _check_copied(self, trainer: pl.Trainer) -> None:
        """Checks the values that were copied last.

        Raises:
            FailedRunError: on the first process, if a value is NaN or infinite. The others exit with status 0: their
                failure would make the launcher kill the first.
        """
        if self._copied is None or self.on_nan == "ignore":
            return
        (batches, copy), self._copied = self._copied, None
        found = copy.read().tolist()
        faults = [
            (number, rank)
            for number in range(len(found[0]))
            for rank, values in enumerate(found)
            if not math.isfinite(values[number])
        ]
        if not faults:
            return
        number, rank = faults[0]
        if number < len(batches):
            what = self._describe(trainer, batches[number], rank, found[rank][number])
        else:
            what = f"weights are NaN or infinite after step {trainer.global_step}, though every loss was finite"
        if self.on_nan == "warn":
            self.on_nan = "ignore"
            rank_zero_warn(f"{what}. run.on_nan is warn: training goes on, and this is not said again")
            return
        trainer.strategy.barrier("not finite")
        if not trainer.is_global_zero:
            sys.exit(0)
        raise FailedRunError(f"{what}. {self._advice()}")

    def _describe(self, trainer: pl.Trainer, at: _Batch, rank: int, loss: float) -> str:
        files = trainer.datamodule.batch_files(at.epoch, at.batch, rank)
        return (
            f"training loss is {loss} at step {at.step} (epoch {at.epoch + 1}, batch {at.batch + 1}), learning rate"
            f" {at.rate:g}; images of the batch{f' in process {rank}' if trainer.world_size > 1 else ''}: "
            f"{some(files, SHOWN)}"
        )

    def _advice(self) -> str:
        saved = sorted(self.checkpoints.glob(RESUME_PATTERN))
        last = f"the last good checkpoint is {saved[-1]}" if saved else "no checkpoint was saved before"
        return f"Stopped; {last}. Lower model.lr, look at these images, or say --run.on_nan=warn to go on"


def _finite(module: pl.LightningModule) -> torch.Tensor:
    """Bool scalar: all weights are finite, and no buffer has a NaN (a buffer may legitimately hold infinity)."""
    parameters = [parameter.detach().isfinite().all() for parameter in module.parameters()]
    buffers = [~buffer.isnan().any() for buffer in module.buffers() if buffer.is_floating_point()]
    return torch.stack(parameters + [each.to(module.device) for each in buffers]).all()
