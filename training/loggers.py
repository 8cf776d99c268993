"""Sets up the loggers of a run: W&B's and others that the user chose; and the files of attempts logged offline.

W&B's own settings decide where a run is logged; without an account it is logged offline.
"""

import contextlib
import logging
import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import wandb
from pydantic import ValidationError
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_only

from records import RunFolder, RunRecord
from records.atomic import check_writable, free_name, write_problem, writing
from records.errors import UserError

PROJECT = "convolution-padding"

_UNNAMED = ("project", "lightning_logs")  # default of Lightning's logger
_GIVEN = ("project", "name", "group", "entity", "tags", "notes", "job_type", "mode")
_OURS = ("dir", "resume", "anonymous")  # set by Lightning's logger, and here for every run

PATIENCE = {"init_timeout": 30.0, "finish_timeout": 300.0, "finish_timeout_raises": True}
"""Seconds that a run waits for W&B's server at the start, and for uploads at the end. W&B waits 90 s, and for days."""

NEXT_MODE = {"online": "offline", "shared": "offline", "offline": "disabled"}
"""Maps a mode to the mode that is tried if it fails."""

PROBE = 1 << 16
"""Bytes that must be free on the disk before anything is logged."""

HEADER = 7
"""Bytes that W&B's client writes before the first record of a run's file."""


LOCAL_PATIENCE = {"init_timeout": 180.0}
"""Seconds to wait offline, where a run waits for W&B's local process only, which on a busy machine starts slowly."""


class RunLogger(WandbLogger):
    """W&B's logger, but a failure of W&B does not end the run: training goes on offline, else without W&B, and says so.

    Args:
        folder: run folder.
        mode: online, offline or disabled.
        settings: arguments of `wandb.init`.
    """

    def __init__(self, folder: RunFolder, mode: str, **settings: Any) -> None:
        patience = PATIENCE | (LOCAL_PATIENCE if mode == "offline" else {})
        patience = {name: value for name, value in patience.items() if f"WANDB_{name.upper()}" not in os.environ}
        settings |= {"mode": mode, "resume": "allow", "settings": wandb.Settings(**patience)}
        super().__init__(save_dir=str(folder.path), **settings)
        # Lightning always passes this argument, and W&B warns whenever it gets it.
        self._wandb_init.pop("anonymous", None)
        self._files = folder.path / "wandb"
        self._said_full = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run, opened in the first mode that works, in the order of NEXT_MODE."""
        while self._experiment is None:
            try:
                self._experiment = self._open()
            except Exception as error:
                self._change_mode(error, NEXT_MODE[self._wandb_init["mode"]])
        return self._experiment

    def attempt(self, action: Callable[[Any], None]) -> None:
        """Calls `action(run)`; if the client has died, calls it once more with a new client."""
        for mode in (self._wandb_init["mode"], "disabled"):
            run = self.experiment
            if not run.disabled and (problem := write_problem(self._files, PROBE)):
                if not self._said_full:
                    rank_zero_info(f"W&B is not given this epoch, {self._files}: {problem}; epochs.csv has every epoch")
                self._said_full = True
                return
            try:
                action(run)
                return
            except Exception as error:
                self._change_mode(error, mode)

    def finish(self) -> None:
        """Waits until everything is written or uploaded, `finish_timeout` seconds at most.

        Also offline: if the program uses W&B for something else (a notebook), W&B would otherwise keep this run's last
        rows until the program ends.
        """
        try:
            self.experiment.finish()
        except Exception as error:
            command = f"wandb sync --no-skip-online {self._files}/run-*"
            rank_zero_info(f"W&B lacks the end of this run ({first_line(error)}); later, `{command}` uploads it")

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.attempt(lambda run: WandbLogger.log_metrics(self, metrics, step))

    def log_hyperparams(self, params: dict[str, Any] | Namespace) -> None:
        self.attempt(lambda run: WandbLogger.log_hyperparams(self, params))

    def _open(self) -> Any:
        mode = self._wandb_init["mode"]
        if mode != "disabled" and (problem := write_problem(self._files, PROBE)):
            raise OSError(f"{self._files}: {problem}")
        run = wandb.init(**self._wandb_init)
        # As Lightning's logger does. Its own code is not used, since it takes a run whose client has died for open.
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        # Otherwise, on a full disk, logging prints a traceback for each line of the client's own log.
        for handler in logging.getLogger("wandb").handlers:
            handler.handleError = lambda record: None
        return run

    def _change_mode(self, error: Exception, mode: str) -> None:
        """Closes the client that raised `error`; the next one is opened in `mode`."""
        what = {
            "offline": f"logged offline; later, `wandb sync {self._files}/offline-run-*` uploads it",
            "disabled": "without W&B; epochs.csv has every epoch",
        }
        rank_zero_info(f"W&B failed ({first_line(error)}): training goes on, {what.get(mode, 'with a new client')}")
        with contextlib.suppress(Exception, SystemExit):
            wandb.teardown()
        # Also done at each start (training.start), but this run may end now and never start again.
        with contextlib.suppress(OSError):
            set_aside_empty(self._files)
        self._wandb_init["mode"], self._experiment = mode, None


def attempt(loggers: Iterable[Logger], action: Callable[[Any], None]) -> None:
    """Calls `action(run)` with the run of each W&B logger."""
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.attempt(action)
        elif isinstance(logger, WandbLogger):
            action(logger.experiment)


def of_run(logger: Logger, folder: RunFolder, record: RunRecord) -> Logger:
    """Adapts a logger that the user chose, so that every start of the run continues the same curve.

    W&B's logger becomes a RunLogger with the same settings. CSV's and TensorBoard's get the run's id as version, unless
    the user set a version.

    Raises:
        UserError: for a setting of W&B's logger that would have no effect.
    """
    if type(logger) is WandbLogger:
        _check_given(logger)
        given = {name: value for name, value in logger._wandb_init.items() if name in _GIVEN and value}
        given |= {"mode": "offline"} if logger._offline else {}
        return wandb_logger(folder, record, **{k: v for k, v in given.items() if (k, v) != _UNNAMED})
    if isinstance(logger, CSVLogger | TensorBoardLogger) and logger._version is None:
        logger._version = record.id
    return logger


def _check_given(logger: WandbLogger) -> None:
    others = {name for name, value in logger._wandb_init.items() if value and name not in _GIVEN + _OURS}
    others |= {name for name in ("log_model", "prefix") if getattr(logger, f"_{name}")}
    if others:
        raise UserError(
            f"trainer.logger: WandbLogger's {', '.join(sorted(others))} would have no effect: the id is --run.id, "
            "W&B's config is config.yaml, checkpoints stay in the run's folder. Leave out all but "
            f"{', '.join(_GIVEN)} and offline"
        )


def of_evaluation(logger: Logger, command: str) -> Logger:
    """Appends the command to the version of a logger from a run's configuration, so that the curve of `fit` stays."""
    if isinstance(logger, CSVLogger | TensorBoardLogger) and logger._version is not None:
        logger._version = f"{logger._version}-{command}"
    return logger


def begins_anew(logger: Logger, record: RunRecord) -> bool:
    """Returns whether each start of the run rewrites the logger's files from the first epoch on.

    The files of the run's earlier starts are removed then.
    """
    ours = isinstance(logger, TensorBoardLogger) and logger.version == record.id
    return ours or isinstance(logger, CSVLogger)


class _Writer(ExperimentWriter):
    """Leaves the file of earlier starts to `callbacks.Dashboard`: Lightning's removes it before a resume is refused."""

    def _check_log_dir_exists(self) -> None:
        pass

    def save(self) -> None:
        # Here, too, and not in Dashboard alone: after a failure Lightning saves again, and the user sees that error.
        with writing(Path(self.metrics_file_path)):
            super().save()


def keep_earlier_files(logger: Logger, record: RunRecord) -> list[Path]:
    """Makes a logger of CSV's or TensorBoard's leave the files of the run's earlier starts untouched.

    Returns:
        The files of the earlier starts.
    """
    if not begins_anew(logger, record):
        return []
    names = "events.out.tfevents.*"
    if isinstance(logger, CSVLogger):
        logger._experiment, names = _Writer(logger.log_dir), _Writer.NAME_METRICS_FILE
    else:
        # tensorboardX names a file by the current second: another start within it empties the file, even if refused.
        logger._kwargs["filename_suffix"] = f"{logger._kwargs.get('filename_suffix', '')}.{time.time_ns()}"
    return list(Path(logger.log_dir).glob(names))


def check_places(loggers: Iterable[Logger]) -> None:
    """Raises UserError if the folder of a logger of CSV's or TensorBoard's cannot be written."""
    for logger in loggers:
        if isinstance(logger, CSVLogger | TensorBoardLogger):
            check_writable(Path(logger.log_dir), "choose another save_dir of trainer.logger")


def wandb_logger(folder: RunFolder, record: RunRecord, **given: Any) -> RunLogger:
    """Returns a logger that creates or continues the W&B run with the run's id.

    `given`, arguments of `wandb.init`, override WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY, WANDB_NAME, WANDB_RUN_GROUP
    and W&B's settings files.

    Raises:
        UserError: if one of these settings is invalid.
    """
    try:
        settings = {
            "project": wandb.setup().settings.project or PROJECT,
            "name": os.environ.get("WANDB_NAME", record.name),
            "group": os.environ.get("WANDB_RUN_GROUP", record.group),
            "id": record.id,
            "tags": [record.network, record.padding],
            **given,
        }
        mode = settings.pop("mode", None)
        wandb.Settings(project=settings["project"], run_id=record.id, mode=mode or "online")
        mode = _mode(mode or wandb.setup().settings.mode)
    # Errors of pydantic, of W&B, and of the parser of its settings files share no class.
    except Exception as error:
        raise UserError(
            f"W&B's settings are not valid: {first_line(error)}. Correct WANDB_MODE, WANDB_PROJECT or the like, or say "
            "--trainer.logger=false to train without W&B"
        ) from error
    return RunLogger(folder, mode, **settings)


def _mode(mode: str) -> str:
    """Returns the mode to log in: `mode`, but offline instead of online if there are no credentials."""
    mode = {"run": "online", "dryrun": "offline"}.get(mode, mode)
    if mode != "online" or rank_zero_only.rank != 0:
        return mode
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def first_line(error: Exception) -> str:
    """Describes an error in one line; for pydantic's errors the setting, its value and what it should be."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))} is {e['input']!r}: {e['msg']}" for e in error.errors())
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")


def set_aside_empty(folder: Path) -> list[Path]:
    """Renames each `offline-run-...` without a record below `folder`, a run's wandb/, to `empty-offline-run-...`.

    Call it only while no process writes there.

    Returns:
        The new paths.
    """
    # `wandb sync` (0.31.0) stops at a file that a kill left empty, with exit status 0, and does not upload the attempts
    # after it.
    empty = [
        attempt
        for attempt in sorted(folder.glob("offline-run-*"))
        if all(file.stat().st_size <= HEADER for file in attempt.glob("*.wandb"))
    ]
    return [attempt.rename(free_name(attempt, "empty-{}")) for attempt in empty]


def set_aside_shown(folder: Path) -> None:
    """Renames `offline-run-...` below `folder` to `shown-offline-run-...`, once an online run has all their epochs.

    Otherwise `wandb sync` would add these epochs to the curve a second time.
    """
    for attempt in folder.glob("offline-run-*"):
        attempt.rename(free_name(attempt, "shown-{}"))
