"""One plain line an epoch, where there is no terminal for a progress bar."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from training.callbacks.run_recorder import RunRecorder


class EpochLines(Checkpoint):
    """Prints each finished epoch's row. A Checkpoint by class, to come after RunRecorder.

    Args:
        recorder: holds the rows.
    """

    def __init__(self, recorder: RunRecorder) -> None:
        self.recorder = recorder

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        row = self.recorder.rows[-1]
        values = [f"{name} {value:.4g}" for name, value in row.items() if is_shown(name)]
        rank_zero_info(
            f"epoch {int(row['epoch']) + 1} of {trainer.max_epochs}, step {row['step']}: {', '.join(values)}"
        )


def is_shown(name: str) -> bool:
    """Whether a line has room for a column: those of single classes, such as `val/iou/road`, would fill the screen."""
    return name not in ("epoch", "step") and name.count("/") < 2
