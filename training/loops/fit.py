"""The loop over the epochs."""

from pytorch_lightning.loops.fit_loop import _FitLoop


class FitLoop(_FitLoop):
    """Takes up a checkpoint of an epoch's end in the same way whether `max_steps` or `max_epochs` ends the run.

    With `max_steps` Lightning counts the finished epoch as interrupted. It then calls the hooks of the epoch's end
    once more, without its validation, and counts the next epoch as done.
    """

    def _iteration_based_training(self) -> bool:
        return False

    @property
    def done(self) -> bool:
        # Early stopping that spoke within an epoch ends the run at the epoch's end, also where that epoch is resumed.
        return super().done and not (self.restarting and self.trainer.should_stop)
