"""SIGTERM, SIGINT and SIGUSR1 as a wish to stop: training saves at the next safe step and leaves."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from training.loggers import attempt

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""A scheduler's or an agent's notice, Ctrl-C, and SLURM's advance warning (`--signal=USR1@120`)."""

UNFINISHED = 75
"""Exit status of a run that a time limit stopped before its end: EX_TEMPFAIL of sysexits.h, "try again later"."""

AGREE_EVERY = 10
"""Optimiser steps between two agreements among processes: each costs a collective and, on a GPU, a wait for it."""


class StopSignal(pl.Callback):
    """Notes a signal, and lets all processes agree on stopping at the same step.

    The first signal asks for a checkpoint and an orderly end; a second SIGINT ends at once. The exit status is 128 +
    the signal's number on the first process, so that schedulers and W&B agents see an interrupted run and requeue it,
    and 0 on the others, whose failure would make the launcher kill the first.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._old_handlers: dict[int, object] = {}

    @contextlib.contextmanager
    def noted_before_training(self) -> Iterator[None]:
        """Notes a scheduler's signal while data, network and logger are made ready, too: the first step acts on it.

        Unnoted it would end the process there and then, and W&B would take the run for crashed, not for preempted.
        """
        before = {number: signal.signal(number, self._note) for number in SIGNALS if number != signal.SIGINT}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Only now: Lightning installs handlers of its own just before, whose broadcast hangs when two processes get the
        # signal together. It puts the original ones back at teardown.
        self._old_handlers = {number: signal.signal(number, self._note) for number in SIGNALS}

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        for number, handler in self._old_handlers.items():
            signal.signal(number, handler)
        self._old_handlers = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = number
        if number == signal.SIGINT:
            os.write(2, b"\nstopping after a checkpoint at the next step; Ctrl-C again to stop at once\n")

    def requested(self, trainer: pl.Trainer, epoch_ends: bool = False) -> bool:
        """Whether any process was asked to stop. Collective: every process must call it at the same step."""
        if trainer.world_size == 1:
            return self.received is not None
        if trainer.global_step % AGREE_EVERY and not epoch_ends:
            return False
        number = torch.tensor([self.received or 0], device=trainer.strategy.root_device)
        torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
        self.received = int(number) or None
        return self.received is not None

    def stop(self, trainer: pl.Trainer) -> None:
        """Ends this process with the status described above.

        Raises:
            SystemExit: always.
        """
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
    attempt(trainer.logger, lambda run: run.mark_preempting())
    sys.exit(status)
