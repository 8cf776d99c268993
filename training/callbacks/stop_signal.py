"""Lets SIGTERM, SIGINT and SIGUSR1 stop training: it saves at the next safe step and exits."""

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
"""Exit status of a run that was stopped before its end without a signal: EX_TEMPFAIL of sysexits.h, "try again later".
"""

AGREE_EVERY = 10
"""Optimiser steps between two agreements of the processes; on GPUs each is read at the next one, to avoid waiting."""


class StopSignal(pl.Callback):
    """Notes a signal during training, and lets all processes agree on stopping at the same step.

    The first signal asks for a checkpoint and a clean exit; a second SIGINT ends the process at once. The exit status
    is 128 + signal number on the first process, so that schedulers and W&B agents see an interrupted run and requeue
    it, and 0 on the others, whose failure would make srun kill the first.

    Before the first step and during a validation there is nothing new to save (ResumeCheckpoint saves before a
    validation): a signal ends the process at once, by `processes.signals.leave`.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._is_set_up = self._validates = False
        self._agreed: HostCopy | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        self._is_set_up = True
        # Blocked until here in processes that processes.launcher started, and in an agent's run, which W&B now knows.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signals.SIGNALS)

    def note(self) -> None:
        """Starts to note signals for `requested`, which must be called at every step."""
        self._validates = False
        for number in signals.SIGNALS:
            signal.signal(number, self._note)

    def end_validation(self) -> None:
        """Lets a signal, also one noted before, end the process at once until the next call of `note`."""
        self._validates = True
        for number in signals.SIGNALS:
            signal.signal(number, signals.leave)
        if self.received:
            signals.leave(self.received)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        if not self._is_set_up or not (self.received or signals.left_by()):
            return  # before setup W&B may still be opening the run
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
        """Returns whether any process was asked to stop. Collective: all processes must call it at the same step."""
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
        """Ends this process with the exit status that the class describes.

        Raises:
            SystemExit: always.
        """
        signals.ignore_others(self.received)
        leave(trainer, signal.Signals(self.received).name, 128 + self.received)


def leave(trainer: pl.Trainer, reason: str, status: int) -> None:
    """Prints that the run stops before its end, and exits: with `status` on the first process, else with 0.

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
