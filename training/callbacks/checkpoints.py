"""Checkpoints that survive a kill at any instant: for resuming (everything) and for testing (weights)."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from pytorch_lightning.callbacks import Checkpoint, ModelCheckpoint

from records.atomic import write_atomically
from records.summary import LAST
from training.callbacks.stop_signal import StopSignal

RESUME_PATTERN = "resume-*.ckpt"
GENERATIONS = 2
"""Resume checkpoints kept: should the newest turn out unreadable, the one before still is."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, but whole or absent: written beside their place, synced, renamed.

    Lightning's own writing does not sync, and a kill could leave an empty file under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: torch.save(checkpoint, file))


def best_and_last_epochs(folder: Path, monitor: str) -> list[ModelCheckpoint]:
    """Weights for the paper's two ways of reporting: `best.ckpt` by `monitor`, `epoch-NNN.ckpt` of the last five."""
    common = {"dirpath": folder, "save_weights_only": True, "auto_insert_metric_name": False, "mode": "max"}
    common |= {"save_on_train_epoch_end": True, "enable_version_counter": False}
    return [
        ModelCheckpoint(filename="best", monitor=monitor, save_top_k=1, **common),
        ModelCheckpoint(filename="epoch-{epoch:03d}", monitor="epoch", save_top_k=LAST, **common),
    ]


class ResumeCheckpoint(Checkpoint):
    """Saves everything that a resumed run needs, every `every_n_steps` optimiser steps and at each epoch's end.

    Within an epoch only where Lightning can take up again exactly: after an optimiser step, with no validation due.
    Must stand behind all callbacks whose state it saves; Lightning keeps the order among Checkpoints.

    Args:
        folder: where `resume-STEP.ckpt` files go.
        every_n_steps: optimiser steps between two checkpoints within an epoch; 0 saves at epochs' ends only.
        signal: asked after every step and epoch, on all processes, whether to save at once and stop.
    """

    def __init__(self, folder: Path, every_n_steps: int, signal: StopSignal) -> None:
        self.folder = folder
        self.every_n_steps = every_n_steps
        self.signal = signal

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not _is_safe(trainer, batch_idx):
            return
        due = self.every_n_steps and trainer.global_step % self.every_n_steps == 0
        stop = self.signal.requested(trainer)
        if due or stop:
            self._save(trainer)
        if stop:
            self.signal.stop(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._save(trainer)
        if self.signal.requested(trainer, epoch_ends=True):
            self.signal.stop(trainer)

    def _save(self, trainer: pl.Trainer) -> None:
        trainer.save_checkpoint(self.folder / f"resume-{trainer.global_step:010d}.ckpt", weights_only=False)
        if trainer.is_global_zero:
            for old in sorted(self.folder.glob(RESUME_PATTERN))[:-GENERATIONS]:
                old.unlink()


def _is_safe(trainer: pl.Trainer, batch_idx: int) -> bool:
    loop = trainer.fit_loop.epoch_loop
    # After an epoch's last batch, and after the run's, validation is still to come: a checkpoint there would skip it on
    # resume.
    if trainer.should_stop or loop._num_ready_batches_reached() or loop._should_accumulate():
        return False
    return trainer.val_check_batch in (None, float("inf")) or (batch_idx + 1) % trainer.val_check_batch != 0


def newest_good(folder: Path, set_aside: bool) -> tuple[Path | None, list[Path]]:
    """The newest resume checkpoint whose checksums hold, and the bad ones found before it.

    Args:
        folder: the run's checkpoints.
        set_aside: rename the bad ones to `*.bad` (one process should).
    """
    bad = []
    for path in sorted(folder.glob(RESUME_PATTERN), reverse=True):
        if is_whole(path):
            return path, bad
        bad.append(path)
        if set_aside:
            path.rename(path.with_suffix(".ckpt.bad"))
    return None, bad


def is_whole(path: Path) -> bool:
    """Whether a checkpoint can be read and the checksum of every part holds (torch.save writes a zip file)."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    # What single flipped bits were seen to raise, in a header as well as in the data.
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error):
        return False


def remove_leftovers(folder: Path) -> None:
    """Deletes the temporary files of writes that a kill cut off."""
    for path in folder.glob(".*.tmp"):
        path.unlink(missing_ok=True)
