"""Lists in the run folder the damaged images that `data.on_damaged=skip` passed over."""

import csv
import io
import os

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from datamodules.loading.damaged import NOTES, read_notes, too_many
from records import RunFolder, write_text


class SkippedImages(pl.Callback):
    """Gathers what the processes noted into skipped_images.csv, at each epoch's end and at the start of an attempt.

    Args:
        folder: the run's folder; the processes note images there, too.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._listed: dict[str, str] = {}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._listed = self.folder.read_skipped()
            self._gather(trainer)
            self._clear()
        trainer.strategy.barrier("skipped images")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._gather(trainer)
        number, most = trainer.strategy.broadcast(len(self._listed)), getattr(trainer.datamodule, "max_skipped", None)
        if most is not None and number > most:
            raise too_many(number, most)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._clear()

    def _clear(self) -> None:
        for file in self.folder.path.glob(NOTES):
            file.unlink()

    def _gather(self, trainer: pl.Trainer) -> None:
        root = getattr(trainer.datamodule, "root", ".")
        noted = {os.path.relpath(path, root): error for path, error in read_notes(self.folder.path).items()}
        if noted.keys() <= self._listed.keys():
            return
        self._listed |= noted
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([("image", "error"), *sorted(self._listed.items())])
        write_text(self.folder.skipped, text.getvalue())
        rank_zero_info(f"{len(self._listed)} damaged images skipped so far, listed in {self.folder.skipped}")
