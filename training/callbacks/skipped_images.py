"""Lists in the run folder the images that `data.on_damaged=skip` skipped, and those that only Pillow could read."""

import csv
import io
import os

import pytorch_lightning as pl
from pytorch_lightning.utilities.rank_zero import rank_zero_info

from datamodules.loading.damaged import BY_PILLOW, NOTES, read_notes, too_many
from records import RunFolder, write_text


class SkippedImages(pl.Callback):
    """Collects the notes of all processes into skipped_images.csv and decoded_by_pillow.csv.

    It does so at each epoch's end, and at the start and the end of an attempt.

    Args:
        folder: run folder, in which the processes also write their notes.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._lists = {NOTES: folder.skipped, BY_PILLOW: folder.by_pillow}
        self._listed: dict[str, dict[str, str]] = {NOTES: {}, BY_PILLOW: {}}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._listed = {notes: self.folder.read_noted(file) for notes, file in self._lists.items()}
            self._gather(trainer)
            self._clear()
        trainer.strategy.barrier("skipped images")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._gather(trainer)
        skipped, most = len(self._listed[NOTES]), getattr(trainer.datamodule, "max_skipped", None)
        number = trainer.strategy.broadcast(skipped)
        if most is not None and number > most:
            raise too_many(number, most)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            self._gather(trainer)
            self._clear()

    def _clear(self) -> None:
        for notes in self._lists:
            for file in self.folder.path.glob(notes):
                file.unlink()

    def _gather(self, trainer: pl.Trainer) -> None:
        root = getattr(trainer.datamodule, "root", ".")
        for notes, file in self._lists.items():
            noted = {os.path.relpath(path, root): why for path, why in read_notes(self.folder.path, notes).items()}
            if noted.keys() <= self._listed[notes].keys():
                continue
            self._listed[notes] |= noted
            text = io.StringIO()
            rows = [("image", "error"), *sorted(self._listed[notes].items())]
            csv.writer(text, lineterminator="\n").writerows(rows)
            write_text(file, text.getvalue())
            if notes == NOTES:
                rank_zero_info(f"{len(self._listed[notes])} damaged images skipped so far, listed in {file}")
