"""Whether a run came to its end."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason


def is_done(trainer: pl.Trainer, unfinished_epochs: int = 0) -> bool:
    """Whether the run came to its end: by `max_steps`, `max_epochs` or early stopping, not by a wish to stop.

    Args:
        trainer: fitting, or done with it.
        unfinished_epochs: 1 asks whether the run ends with the epoch in progress.
    """
    epochs = trainer.fit_loop.epoch_progress.current.processed + unfinished_epochs
    by_steps = 0 <= trainer.max_steps <= trainer.global_step
    by_epochs = 0 <= trainer.fit_loop.max_epochs <= epochs
    return by_steps or by_epochs or (has_converged(trainer) and trainer.fit_loop._can_stop_early)


def has_converged(trainer: pl.Trainer) -> bool:
    """Whether early stopping decided that the run is done. Known after a resume, too: its state is checkpointed."""
    reasons = (each.stopping_reason for each in trainer.callbacks if isinstance(each, EarlyStopping))
    return any(reason != EarlyStoppingReason.NOT_STOPPED for reason in reasons)
