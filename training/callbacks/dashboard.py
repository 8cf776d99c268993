"""The run as W&B shows it: every epoch's row exactly once on the epoch axis, the summary, the configuration once."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.loggers import WandbLogger

from records import WANDB_PREFIX, RunFolder, RunRecord, summarise
from training.callbacks.run_recorder import RunRecorder

CURVES = ("train/*", "val/*", "lr", "seconds")

IDENTITY = ("network", "compared_as", "padding", "seed", "group", "monitor", "digest")
"""What W&B's tables can be filtered, sorted and grouped by, and by which studies know a run of this program."""


class Dashboard(Checkpoint):
    """Pushes to W&B the rows that it does not have yet.

    The rows are the truth, W&B a view of them: after a resume this asks the view for its last epoch and fills in what
    is missing. A Checkpoint by class and behind ResumeCheckpoint, so that only epochs that will not be run again are
    pushed.

    Args:
        recorder: holds the rows.
        record: the run: its monitored metric, targets and identity.
        config: the resolved configuration, shown in the run's config beside the identity.
    """

    def __init__(self, recorder: RunRecorder, record: RunRecord, config: dict[str, Any]) -> None:
        self.recorder = recorder
        self.record = record
        self.config = config
        self._last_shown = -1

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        logger = trainer.logger
        if not isinstance(logger, WandbLogger) or not trainer.is_global_zero:
            return
        run = logger.experiment
        identity = {name: getattr(self.record, name) for name in IDENTITY}
        run.config.update({**self.config, **identity}, allow_val_change=True)
        self._keep_address(run.url)
        save_files(run, self.recorder.folder)
        run.define_metric("epoch")
        for name in CURVES:
            run.define_metric(name, step_metric="epoch")
        run.define_metric(self.record.monitor, step_metric="epoch", summary="max,last")
        self._last_shown = last_epoch_shown(run, Path(logger.save_dir))
        self._push(logger)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if isinstance(trainer.logger, WandbLogger) and trainer.is_global_zero:
            self._push(trainer.logger)

    def _keep_address(self, url: str | None) -> None:
        """The run's page goes into run.json, for the report to link to; an offline run has none."""
        folder = self.recorder.folder
        record = folder.read_record()
        if url and record.attempts:
            record.attempts[-1]["url"] = url
            folder.write_record(record)

    def _push(self, logger: WandbLogger) -> None:
        rows = self.recorder.rows
        for row in rows[self._last_shown + 1 :]:
            logger.log_metrics({key: value for key, value in row.items() if key != "step"}, step=int(row["step"]))
            self._last_shown = int(row["epoch"])
        logger.experiment.summary.update(summarise(rows, self.record.monitor, self.record.targets))


def save_files(run: Any, folder: RunFolder) -> None:
    """Saves run.json, config.yaml and epochs.csv as files of the W&B run; a study with `--wandb` downloads them.

    W&B uploads them whenever they change, and last at the end of the run. An offline attempt holds links to the files
    instead of copies: whichever attempt `wandb sync` takes last, the newest version is uploaded. The links are
    relative, so that a run folder that was moved can still be synced.
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
    """The last epoch in W&B's history of this run, -1 for none: from the server, or from earlier offline files."""
    if run.offline:
        return max(
            (_last_epoch_in(file) for file in folder.glob(f"wandb/offline-run-*/run-{run.id}.wandb")), default=-1
        )
    shown = run.summary.get("epoch") if run.resumed else None
    return -1 if shown is None else int(shown)


def _last_epoch_in(file: Path) -> int:
    """The last epoch in an offline run's file, -1 if it holds none or cannot be read."""
    command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(file.parent)]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    epochs = [epoch for line in lines if (epoch := _epoch_of(line)) is not None]
    return max(epochs, default=-1)


def _epoch_of(line: str) -> int | None:
    try:
        return int(json.loads(line)["history"]["item"]["epoch"])
    except (ValueError, KeyError, TypeError):
        return None
