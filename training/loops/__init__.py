"""Lightning's loops, where they do not resume exactly, or end an epoch before its end."""

import pytorch_lightning as pl

from training.loops.end import has_converged, is_done
from training.loops.epoch import EpochLoop
from training.loops.fit import FitLoop

__all__ = ["EpochLoop", "FitLoop", "has_converged", "install_loops", "is_done"]


def install_loops(trainer: pl.Trainer) -> None:
    """Replaces the loops of a Trainer that has not been used yet."""
    old = trainer.fit_loop
    trainer.fit_loop = FitLoop(trainer, old.min_epochs, old.max_epochs)
    trainer.fit_loop.epoch_loop = EpochLoop(trainer, old.min_steps, old.max_steps)
