"""Stops a run whose loss is NaN or infinite, before anything is saved of it."""

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
"""Training batches between two looks at the losses."""

SHOWN = 8
"""Files of a batch that the message names."""


class _Batch(NamedTuple):
    step: int
    epoch: int
    batch: int
    rate: float


class FiniteLoss(pl.Callback):
    """Looks at the training loss of every batch, and at the weights before anything is validated or saved.

    The losses stay on the device until LOOK_EVERY of them have come together; then a copy of them is started, which a
    later step finds done, so that none waits for the device. A checkpoint or a validation waits: none is of weights
    that came of a NaN.

    Args:
        checkpoints: folder of the run's checkpoints, for the message.
        on_nan: "stop" ends all processes, with exit status 1 on the first; "warn" says it once and goes on.
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
        # At the batch's end the schedule has already stepped on.
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self._now = _Batch(trainer.global_step + 1, trainer.current_epoch, batch_idx, rate)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not self._batches:
            self._losses = torch.zeros(LOOK_EVERY, device=pl_module.device)
        # Lightning divides by the batches that are accumulated.
        self._losses[len(self._batches)] = outputs["loss"].detach() * trainer.accumulate_grad_batches
        self._batches.append(self._now)
        if len(self._batches) == LOOK_EVERY:
            self._check_copied(trainer)
            self._copy(pl_module, self._losses)
        # Processes must agree on when they look, and their devices are not equally far.
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
        """Collective: every process looks at the same steps, and all stop together. Raises as `_check_copied`."""
        self._check_copied(trainer)
        if self.on_nan == "ignore":
            self._batches = []
            return
        weights = torch.where(_finite(module), 0.0, math.nan)
        # A run that goes on with a validation looks before its first batch.
        self._copy(module, torch.cat([self._losses[: len(self._batches)].to(weights), weights.view(1)]))
        self._check_copied(trainer)

    def _copy(self, module: pl.LightningModule, seen: torch.Tensor) -> None:
        """Starts the copy of all processes' losses of the batches so far, perhaps with the state of the weights."""
        self._copied = self._batches, HostCopy(module.all_gather(seen).view(-1, len(seen)))
        self._batches = []

    def _check_copied(self, trainer: pl.Trainer) -> None:
        """Looks at what was copied last.

        Raises:
            FailedRunError: on the first process. The others leave with status 0: their failure would make the launcher
                kill the first.
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
    """Whether all weights are finite and no buffer is NaN (one of a network may well be infinite), a bool scalar."""
    parameters = [parameter.detach().isfinite().all() for parameter in module.parameters()]
    buffers = [~buffer.isnan().any() for buffer in module.buffers() if buffer.is_floating_point()]
    return torch.stack(parameters + [each.to(module.device) for each in buffers]).all()
