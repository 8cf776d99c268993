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
        # An epoch that is resumed goes on to its end, whose validation may be all that is left of the run, and where
        # early stopping that spoke within it ends the run.
        return not self.restarting and super().done
