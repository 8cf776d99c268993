"""Writes the run folder while training: the conversion report, the rows, and that the run is finished; prints rows."""

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
    """Keeps one row an epoch in its checkpointed state and derives `epochs.csv` from it.

    An epoch that is run again after a resume replaces its row, so each epoch stands there exactly once. A Checkpoint by
    class, since Lightning calls those last at an epoch's end, when every metric of the epoch is known.

    Args:
        folder: the run's folder.

    Attributes:
        begin: called on the first process before anything is written, with the checkpoint loaded.
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
            # A scheme of the user's own: where its file is gone or another one, a resumed run finds this copy.
            for file in map(Path, report.files):
                if not (copy := self.folder.path / file.name).exists():
                    write_text(copy, file.read_text())
            write_text(self.folder.padding_report, json.dumps(report.to_dict(), indent=1) + "\n")
        self.folder.write_rows(self.rows)

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # At the epoch's end the schedule has already stepped on to the next epoch's rate.
        self._learning_rate = trainer.optimizers[0].param_groups[0]["lr"]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        # What was measured before is of other weights. Lightning keeps it, so that rows and `best.ckpt` would take it
        # for this epoch's: a validation within the epoch, one of an earlier epoch, a class that has no IoU now.
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
        """Wall-clock seconds spent in the current epoch so far, over all attempts at it."""
        return self._seconds_before + time.monotonic() - self._resumed_at


class EpochLines(Checkpoint):
    """Prints each finished epoch's row, where there is no terminal for a progress bar.

    A Checkpoint by class, to come after RunRecorder.

    Args:
        recorder: holds the rows.
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
