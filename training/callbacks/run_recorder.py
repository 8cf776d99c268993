"""Writes the run folder in training: the conversion report, the rows, and that the run is finished; prints rows."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_only

from records import RunFolder, write_text
from records.rows import Row
from training.loops import is_done

STAGES = ("train/", "val/")


class RunRecorder(Checkpoint):
    """Keeps a row per epoch in its checkpointed state and writes `epochs.csv` from it.

    An epoch that is run again after a resume replaces its row, so each epoch has exactly one. A subclass of Checkpoint,
    since Lightning calls those last at an epoch's end, when every metric of the epoch is known.

    Args:
        folder: run folder.

    Attributes:
        begin: function called on the first process after the checkpoint is loaded and before anything is written.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.begin: Callable[[], None] = lambda: None
        self.rows: list[Row] = []
        self._learning_rate = 0.0
        self._seconds_before = 0.0
        self._resumed_at = time.monotonic()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "lr": self._learning_rate, "seconds": self._seconds()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]
        self._learning_rate = state_dict["lr"]
        self._seconds_before = state_dict["seconds"]

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._resumed_at = time.monotonic()
        self._write(pl_module)

    @rank_zero_only
    def _write(self, pl_module: pl.LightningModule) -> None:
        self.begin()
        report = getattr(pl_module, "padding_report", None)
        if report is not None:
            # Files of a user's schemes: a resumed run uses this copy if the original file is gone or has changed.
            for file in map(Path, report.files):
                if not (copy := self.folder.path / file.name).exists():
                    write_text(copy, file.read_text())
            write_text(self.folder.padding_report, json.dumps(report.to_dict(), indent=1) + "\n")
        self.folder.write_rows(self.rows)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Noted at the start: at the epoch's end the schedule has already set the next epoch's rate.
        self._learning_rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # Metrics so far are of other weights. Lightning keeps them, so rows and `best.ckpt` would take them for this
        # epoch's: of a validation within the epoch or in an earlier one, or of a class that has no IoU now.
        trainer._logger_connector._callback_metrics.clear()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        row: Row = {"epoch": trainer.current_epoch, "step": trainer.global_step, "lr": self._learning_rate}
        row |= {**_epoch_metrics(trainer), "seconds": round(self._seconds(), 3)}
        self.rows = [*self.rows[: trainer.current_epoch], row]
        self._seconds_before, self._resumed_at = 0.0, time.monotonic()
        if trainer.is_global_zero:
            self.folder.write_rows(self.rows)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero and is_done(trainer):
            record = self.folder.read_record()
            record.finished = True
            self.folder.write_record(record)

    def _seconds(self) -> float:
        """Wall-clock seconds of the current epoch so far, over all attempts."""
        return self._seconds_before + time.monotonic() - self._resumed_at


class EpochLines(Checkpoint):
    """Prints each finished epoch's row if there is no terminal for a progress bar.

    A subclass of Checkpoint, so that it is called after RunRecorder.

    Args:
        recorder: callback that holds the rows.
    """

    def __init__(self, recorder: RunRecorder) -> None:
        self.recorder = recorder

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        row = self.recorder.rows[-1]
        # Columns of single classes, such as `val/iou/road`, would fill the screen.
        names = [name for name in row if name not in ("epoch", "step") and name.count("/") < 2]
        values = ", ".join(f"{name} {row[name]:.4g}" for name in names)
        rank_zero_info(f"epoch {int(row['epoch']) + 1} of {trainer.max_epochs}, step {row['step']}: {values}")


def _epoch_metrics(trainer: pl.Trainer) -> dict[str, float]:
    metrics = sorted(trainer.callback_metrics.items())
    return {name: float(value) for name, value in metrics if name.startswith(STAGES)}
