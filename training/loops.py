"""Replaces Lightning's loops where they do not resume exactly, or stop within an epoch."""

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from pytorch_lightning.loops.fetchers import _DataFetcher
from pytorch_lightning.loops.fit_loop import _FitLoop
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop


def install_loops(trainer: pl.Trainer) -> None:
    """Replaces the loops of a Trainer, which must not have been used yet."""
    old = trainer.fit_loop
    trainer.fit_loop = FitLoop(trainer, old.min_epochs, old.max_epochs)
    trainer.fit_loop.epoch_loop = EpochLoop(trainer, old.min_steps, old.max_steps)


def is_done(trainer: pl.Trainer, unfinished_epochs: int = 0) -> bool:
    """Returns whether the run has reached its end: by `max_steps`, `max_epochs` or early stopping, not by a stop wish.

    Args:
        trainer: a Trainer during or after `fit`.
        unfinished_epochs: 1 to ask whether the run ends with the epoch in progress.
    """
    epochs = trainer.fit_loop.epoch_progress.current.processed + unfinished_epochs
    by_steps = 0 <= trainer.max_steps <= trainer.global_step
    by_epochs = 0 <= trainer.fit_loop.max_epochs <= epochs
    return by_steps or by_epochs or (has_converged(trainer) and trainer.fit_loop._can_stop_early)


def has_converged(trainer: pl.Trainer) -> bool:
    """Returns whether early stopping has ended the run; known after a resume, too, since its state is checkpointed."""
    reasons = (each.stopping_reason for each in trainer.callbacks if isinstance(each, EarlyStopping))
    return any(reason != EarlyStoppingReason.NOT_STOPPED for reason in reasons)


class EpochLoop(_TrainingEpochLoop):
    """Ends an epoch only at its last batch or at `max_steps`, and validates there if the epoch's row needs it.

    Once a callback sets `trainer.should_stop`, Lightning stops within the epoch, yet runs the hooks of the epoch's end,
    and drops the rest of the epoch on resume. Here the epoch goes on; ResumeCheckpoint may end the run within it.

    A validation follows the last step of an epoch if one ran within the epoch (`val_check_interval`), and the last step
    of the run: the validation metrics of a row are those of the weights at the epoch's end, or missing.

    A resume from a checkpoint that was saved at the start of a validation begins with that validation.
    """

    _validation_ahead = False

    @property
    def done(self) -> bool:
        return self._is_training_done and self._is_validation_done

    def validation_due(self) -> bool:
        """Returns whether a validation follows the current batch."""
        return self._should_check_val_fx(self.trainer.fit_loop._data_fetcher)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        if self._resumes_with_validation():
            self.val_loop.restarting = False  # no batch: on_advance_end validates
        else:
            super().advance(data_fetcher)

    def on_save_checkpoint(self) -> dict[str, Any]:
        ahead = self.trainer.validating and self.val_loop.batch_progress.current.ready == 0
        return super().on_save_checkpoint() | {"validation_ahead": ahead}

    def on_load_checkpoint(self, state_dict: dict[str, Any]) -> None:
        super().on_load_checkpoint(state_dict)
        self._validation_ahead = state_dict.get("validation_ahead", False)

    def _resumes_with_validation(self) -> bool:
        return self.restarting and self._validation_ahead

    def ends_now(self) -> bool:
        """Returns whether the current batch is the last one of the epoch or of the run."""
        return self._is_training_done

    def _should_check_val_fx(self, data_fetcher: _DataFetcher) -> bool:
        trainer = self.trainer
        wish, trainer.should_stop = trainer.should_stop, False  # True would cause a validation after every batch
        try:
            due = super()._should_check_val_fx(data_fetcher)
        finally:
            trainer.should_stop = wish
        due = due or self._resumes_with_validation()
        if due or not self._is_training_done or not trainer.enable_validation:
            return due
        validated_within = self.val_loop.batch_progress.total.ready > 0  # Lightning resets it at an epoch's start
        return validated_within or is_done(trainer, unfinished_epochs=1)


class FitLoop(_FitLoop):
    """Resumes from a checkpoint of an epoch's end in the same way whether `max_steps` or `max_epochs` ends the run.

    With `max_steps` Lightning takes the finished epoch for an interrupted one: it calls the hooks of the epoch's end
    again, without the validation, and counts the next epoch as done.
    """

    def _iteration_based_training(self) -> bool:
        return False

    @property
    def done(self) -> bool:
        # A resumed epoch always runs to its end: its last validation may be all that is left of the run, and early
        # stopping that decided within the epoch ends the run there.
        return not self.restarting and super().done
