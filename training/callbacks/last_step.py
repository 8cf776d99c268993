"""The last step of a run that a number of steps limits is validated, as the end of an epoch is."""

from typing import Any

import pytorch_lightning as pl


class ValidateLastStep(pl.Callback):
    """Ends the epoch in which `max_steps` is reached in order: Lightning alone would drop its validation.

    Setting `should_stop` is how Lightning lets a step within an epoch be validated.
    """

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if 0 <= trainer.max_steps <= trainer.global_step:
            trainer.should_stop = True
