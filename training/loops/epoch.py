"""The loop over an epoch's batches."""

from typing import Any

from pytorch_lightning.loops.fetchers import _DataFetcher
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop

from training.loops.end import is_done


class EpochLoop(_TrainingEpochLoop):
    """Ends an epoch at its last batch or at `max_steps` only, and validates there what the row is to report.

    Lightning stops within an epoch once a callback sets `trainer.should_stop`, runs the hooks of the epoch's end all
    the same, and drops the rest of the epoch on resume. Here the epoch goes on; ResumeCheckpoint may end the run
    within it.

    The last step of an epoch is validated if a validation ran within it (`val_check_interval`), and so is the run's: a
    row holds figures of the weights at its end, or none.

    A checkpoint that was saved at the start of a validation is taken up with that validation.
    """

    _validation_ahead = False

    @property
    def done(self) -> bool:
        return self._is_training_done and self._is_validation_done

    def validation_due(self) -> bool:
        """Whether a validation follows the current batch."""
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
        """Whether the current batch is the last one of the epoch or of the run."""
        return self._is_training_done

    def _should_check_val_fx(self, data_fetcher: _DataFetcher) -> bool:
        trainer = self.trainer
        wish, trainer.should_stop = trainer.should_stop, False  # it would have every further batch validated
        try:
            due = super()._should_check_val_fx(data_fetcher)
        finally:
            trainer.should_stop = wish
        due = due or self._resumes_with_validation()
        if due or not self._is_training_done or not trainer.enable_validation:
            return due
        validated_within = self.val_loop.batch_progress.total.ready > 0  # Lightning resets it at an epoch's start
        return validated_within or is_done(trainer, unfinished_epochs=1)
