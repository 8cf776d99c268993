"""SIGTERM, SIGINT and SIGUSR1 as a wish to stop: training saves at the next safe step and leaves."""

import os
import signal
import sys
from types import FrameType

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from processes import signals
from training.callbacks.host_copy import HostCopy
from training.loggers import attempt

UNFINISHED = 75
"""Exit status of a run that a time limit stopped before its end: EX_TEMPFAIL of sysexits.h, "try again later"."""

AGREE_EVERY = 10
"""Optimiser steps between two agreements among processes; on GPUs one is read at the next, without a wait for it."""


class StopSignal(pl.Callback):
    """Notes a signal while training, and lets all processes agree on stopping at the same step.

    The first signal asks for a checkpoint and an orderly end; a second SIGINT ends at once. The exit status is 128 +
    the signal's number on the first process, so that schedulers and W&B agents see an interrupted run and requeue it,
    and 0 on the others, whose failure would make srun kill the first.

    Before the first step and during a validation there is nothing new to save: a signal ends the process at once, by
    `processes.signals.leave`. ResumeCheckpoint saves before a validation.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_set_up = self._validates = False
        self._agreed: HostCopy | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._is_set_up = True
        # Blocked until now in an agent's run, which W&B knows now, and in processes that processes.launcher started.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SIGNALS)

    def note(self) -> None:
        """From now on signals are noted for `requested`, which must be asked at every step."""
        self._validates = False
        for number in signals.SIGNALS:
            signal.signal(number, self._note)

    def end_validation(self) -> None:
        """From now on, until the next `note`, a signal ends the process at once, and so does one that was noted."""
        self._validates = True
        for number in signals.SIGNALS:
            signal.signal(number, signals.leave)
        if self.received:
            signals.leave(self.received)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if not self._is_set_up or not (self.received or signals.left_by()):
            return  # before that W&B may just be opening the run
        if self._validates:
            rank_zero_info(f"in the validation after step {trainer.global_step}, which the same command repeats")
        attempt(trainer.loggers, lambda run: run.mark_preempting())

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            signals.leave(number)
        self.received = number
        if number == signal.SIGINT:
            os.write(2, b"\nstopping after a checkpoint at the next step; Ctrl-C again to stop at once\n")

    def requested(self, trainer: pl.Trainer, epoch_ends: bool = False) -> bool:
        """Whether any process was asked to stop. Collective: every process must call it at the same step."""
        if trainer.world_size == 1:
            return self.received is not None
        if trainer.global_step % AGREE_EVERY and not epoch_ends:
            return False
        number = torch.full((1,), self.received or 0, device=trainer.strategy.root_device)
        torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
        before, self._agreed = self._agreed, HostCopy(number)
        agreed = before if number.is_cuda and not epoch_ends else self._agreed
        if agreed and (found := int(agreed.read())):
            self.received = found
            return True
        return False

    def stop(self, trainer: pl.Trainer) -> None:
        """Ends this process with the status described above.

        Raises:
            SystemExit: always.
        """
        signals.ignore_others(self.received)
        leave(trainer, signal.Signals(self.received).name, 128 + self.received)


def leave(trainer: pl.Trainer, reason: str, status: int) -> None:
    """Ends this process before the run's end, with a line that says so: `status` on the first process, else 0.

    Raises:
        SystemExit: always.
    """
    trainer.strategy.barrier("stop")
    where = f"epoch {trainer.current_epoch + 1}, after step {trainer.global_step}"
    rank_zero_info(f"stopped by {reason} in {where}, unfinished; checkpoint saved, the same command continues")
    if not trainer.is_global_zero:
        sys.exit(0)
    attempt(trainer.loggers, lambda run: run.mark_preempting())
    sys.exit(status)
