"""Sends each epoch's row to the loggers exactly once, and the summary and the configuration to W&B."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import Logger, WandbLogger

from records import WANDB_PREFIX, RunFolder, RunRecord, summarise, write_text
from records.atomic import writing
from training.callbacks.run_recorder import RunRecorder
from training.loggers import HEADER, RunLogger, attempt, begins_anew, set_aside_shown

CURVES = ("train/*", "val/*", "lr", "seconds")

IDENTITY = ("network", "compared_as", "padding", "seed", "group", "monitor", "digest")
"""Fields of RunRecord in W&B's config, to filter, sort and group runs; they mark runs of this program for studies."""


class Dashboard(Checkpoint):
    """Sends each logger the rows that it does not have yet.

    After a resume W&B is asked for its last epoch and gets the missing ones; CSV files and TensorBoard's are written
    again; for other loggers logged.json counts the epochs, and a kill between log and count repeats the last one. A
    subclass of Checkpoint, placed after ResumeCheckpoint, so that it sends only epochs that will not be run again.

    Args:
        recorder: callback that holds the rows.
        record: the run's monitored metric, targets and identity.
        config: resolved configuration, shown in the W&B run's config beside the identity.

    Attributes:
        replaced: files of earlier starts, removed once the checkpoint is loaded: a refused resume changes nothing.
    """

    def __init__(self, recorder: RunRecorder, record: RunRecord, config: dict[str, Any]) -> None:
        self.recorder = recorder
        self.record = record
        self.config = config
        self.replaced: list[Path] = []
        self._last_shown = -1
        self._counts: dict[str, int] = {}
        self._run: Any = None

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            for file in self.replaced:
                file.unlink(missing_ok=True)
        self._show(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._show(trainer)

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # There is no new row, but this notices if the client died after the last epoch, and logs its rows again.
        self._show(trainer)
        for logger in trainer.loggers if trainer.is_global_zero else ():
            if isinstance(logger, RunLogger):
                logger.finish()
        if trainer.is_global_zero:
            # Until then W&B may lack the last epochs, and a start of the finished run logs them again.
            self._note(ended=datetime.now(UTC).isoformat(timespec="seconds"))

    def _show(self, trainer: pl.Trainer) -> None:
        for place, logger in enumerate(trainer.loggers if trainer.is_global_zero else ()):
            if isinstance(logger, WandbLogger):
                attempt([logger], partial(self._push, logger))
            else:
                self._extend(f"{type(logger).__name__} {place}", logger)

    def _extend(self, name: str, logger: Logger) -> None:
        rows, file = self.recorder.rows, self.recorder.folder.logged
        anew = begins_anew(logger, self.record)
        known = {} if anew else read_counts(file)
        # Early versions wrote no logged.json, and had logged all existing rows.
        begin = self._counts.get(name, 0 if anew else known.get(name, len(rows)))
        with writing(Path(logger.save_dir or logger.name or "")):
            for row in rows[begin:]:
                logger.log_metrics({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))
            logger.save()
        # After a resume from an older checkpoint there are fewer rows than the logger has.
        self._counts[name] = max(begin, len(rows))
        if not anew and known.get(name) != self._counts[name]:
            write_text(file, json.dumps(known | {name: self._counts[name]}) + "\n")

    def _begin(self, run: Any) -> None:
        identity = {name: getattr(self.record, name) for name in IDENTITY}
        run.config.update({**self.config, **identity}, allow_val_change=True)
        if run.url:  # an offline run has none; the report links to it
            self._note(url=run.url)
        save_files(run, self.recorder.folder)
        run.define_metric("epoch")
        for name in CURVES:
            run.define_metric(name, step_metric="epoch")
        run.define_metric(self.record.monitor, step_metric="epoch", summary="max,last")
        self._last_shown = last_epoch_shown(run, self.recorder.folder.path)

    def _note(self, **facts: str) -> None:
        """Adds facts of this attempt to run.json."""
        folder = self.recorder.folder
        record = folder.read_record()
        if record.attempts:
            record.attempts[-1] |= facts
            folder.write_record(record)

    def _push(self, logger: WandbLogger, run: Any) -> None:
        if run.disabled:
            return
        if begins := run is not self._run:
            self._begin(run)
        rows = self.recorder.rows
        for row in rows[self._last_shown + 1 :]:
            values = {key: value for key, value in row.items() if key != "step"}
            WandbLogger.log_metrics(logger, values, step=int(row["step"]))
            self._last_shown = int(row["epoch"])
        run.summary.update(summarise(rows, self.record.monitor, self.record.targets))
        if begins and not run.offline:
            set_aside_shown(self.recorder.folder.path / "wandb")
        self._run = run


def read_counts(file: Path) -> dict[str, int]:
    """Reads logged.json: logger to number of epochs; {} if the file is missing or damaged."""
    try:
        return {str(name): int(count) for name, count in json.loads(file.read_text()).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def save_files(run: Any, folder: RunFolder) -> None:
    """Saves run.json, config.yaml and epochs.csv as files of the W&B run; a study with `--wandb` downloads them.

    W&B uploads them whenever they change, and at the end of the run. An offline attempt holds links to the files, not
    copies, so that `wandb sync` uploads the newest version whichever attempt it takes last. The links are relative, so
    that a run folder that was moved can still be synced.
    """
    if run.disabled:
        return
    files = Path(run.dir).resolve()
    for file in folder.core_files:
        link = files / f"{WANDB_PREFIX}{file.name}"
        if not link.is_symlink():
            link.symlink_to(os.path.relpath(file.resolve(), files))
        run.save(str(link), base_path=str(files), policy="live", glob=False)


def last_epoch_shown(run: Any, folder: Path) -> int:
    """Returns the last epoch in W&B's history of this run, or -1: from the server, or from all files of attempts."""
    if run.offline:
        # Files of online attempts, too: their epochs were sent, and would be on the curve twice. The newest file with
        # an epoch holds the last one; older files are not read, since reading one takes seconds.
        files = [*folder.glob(f"wandb/*run-*/run-{run.id}.wandb")]
        files.sort(key=lambda file: file.parent.name.partition("run-")[2], reverse=True)
        return next((epoch for file in files if (epoch := _last_epoch_in(file)) >= 0), -1)
    shown = run.summary.get("epoch") if run.resumed else None
    return -1 if shown is None else int(shown)


def _last_epoch_in(file: Path) -> int:
    """Returns the last epoch in the file of an attempt, -1 if it holds none or cannot be read."""
    if file.stat().st_size <= HEADER:
        return -1
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(file.parent)]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    epochs = [epoch for line in lines if (epoch := _epoch_of(line)) is not None]
    return max(epochs, default=-1)


def _epoch_of(line: str) -> int | None:
    try:
        return int(json.loads(line)["history"]["item"]["epoch"])
    except (ValueError, KeyError, TypeError):
        return None
