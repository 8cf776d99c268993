"""The W&B logger of a run, and the files of its attempts that were logged offline.

W&B's own settings decide where a run is logged; without an account it stays offline.
"""

import itertools
import os
from pathlib import Path

import wandb
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from records import RunFolder, RunRecord

PROJECT = "convolution-padding"

HEADER = 7
"""Bytes that W&B's client writes before the first record of a run's file."""


def wandb_logger(folder: RunFolder, record: RunRecord) -> WandbLogger:
    """A logger that creates, or continues, the W&B run with the run's own id.

    WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY, WANDB_NAME, WANDB_RUN_GROUP and W&B's settings files are followed.
    """
    logger = WandbLogger(
        project=wandb.setup().settings.project or PROJECT,
        name=os.environ.get("WANDB_NAME", record.name),
        group=os.environ.get("WANDB_RUN_GROUP", record.group),
        id=record.id,
        save_dir=str(folder.path),
        resume="allow",
        mode=_mode(),
        tags=[record.network, record.padding],
    )
    # Lightning always passes it, and W&B warns whenever it is passed.
    logger._wandb_init.pop("anonymous", None)
    return logger


def _mode() -> str:
    """The mode that W&B's settings name; offline where that is online without credentials to go there."""
    mode = wandb.setup().settings.mode
    if mode != "online" or rank_zero_only.rank != 0:
        return mode
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def set_aside_empty(folder: Path) -> list[Path]:
    """Renames `offline-run-...` below `folder`, a run's wandb/, to `empty-offline-run-...` where it holds no record.

    Call it only while no process writes there.

    Returns:
        The new paths.
    """
    # `wandb sync` (0.31.0) gives up at a file that a kill left empty, with exit status 0, and does not upload the
    # attempts after it.
    empty = [
        attempt
        for attempt in sorted(folder.glob("offline-run-*"))
        if all(file.stat().st_size <= HEADER for file in attempt.glob("*.wandb"))
    ]
    return [attempt.rename(_free_name(attempt)) for attempt in empty]


def _free_name(attempt: Path) -> Path:
    """`empty-NAME`, else `empty-NAME-2` and so on: W&B names attempts of one second alike."""
    for number in itertools.count(1):
        name = attempt.with_name(f"empty-{attempt.name}" + (f"-{number}" if number > 1 else ""))
        if not os.path.lexists(name):
            return name
    raise AssertionError
