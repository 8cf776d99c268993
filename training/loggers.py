"""The loggers of a run: W&B's, others that the user chose, and the files of its attempts that were logged offline.

W&B's own settings decide where a run is logged; without an account it stays offline.
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

_UNNAMED = ("project", "lightning_logs")  # what Lightning's logger makes of no project
_GIVEN = ("project", "name", "group", "entity", "tags", "notes", "job_type", "mode")
_OURS = ("dir", "resume", "anonymous")  # set by Lightning's logger, and here for every run

PATIENCE = {"init_timeout": 30.0, "finish_timeout": 300.0, "finish_timeout_raises": True}
"""Seconds that a run waits for W&B's server: to begin, and at its end for uploads. W&B waits 90, and for days."""

NEXT_MODE = {"online": "offline", "shared": "offline", "offline": "disabled"}
"""Mode to the one that is tried where it fails."""

PROBE = 1 << 16
"""Bytes for which there must be space before something is logged."""

HEADER = 7
"""Bytes that W&B's client writes before the first record of a run's file."""


LOCAL_PATIENCE = {"init_timeout": 180.0}
"""Offline only W&B's own process is waited for, which takes longer than a server's patience on a busy machine."""


class RunLogger(WandbLogger):
    """W&B's logger for a run that no failure of W&B may end: training goes on offline, else without W&B, and says so.

    Args:
        folder: of the run.
        mode: online, offline or disabled.
        settings: of `wandb.init`.
    """

    def __init__(self, folder: RunFolder, mode: str, **settings: Any) -> None:
        patience = PATIENCE | (LOCAL_PATIENCE if mode == "offline" else {})
        patience = {name: value for name, value in patience.items() if f"WANDB_{name.upper()}" not in os.environ}
        settings |= {"mode": mode, "resume": "allow", "settings": wandb.Settings(**patience)}
        super().__init__(save_dir=str(folder.path), **settings)
        # Lightning always passes it, and W&B warns whenever it is passed.
        self._wandb_init.pop("anonymous", None)
        self._files = folder.path / "wandb"
        self._said_full = False

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The W&B run; in the mode after the one that failed, where it cannot be opened."""
        while self._experiment is None:
            try:
                self._experiment = self._open()
            except Exception as error:
                self._change_mode(error, NEXT_MODE[self._wandb_init["mode"]])
        return self._experiment

    def attempt(self, action: Callable[[Any], None]) -> None:
        """`action(run)`; where the client died, once more with a new one, which begins with `action`, too."""
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
        """Waits for what is still to be written or uploaded, `finish_timeout` seconds at most.

        Offline, too: in a program that has W&B running besides (a notebook), it would keep this run's last rows until
        that program ends.
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
        # As Lightning's logger does, which would take a run for open whose client has died.
        run.define_metric("trainer/global_step")
        run.define_metric("*", step_metric="trainer/global_step", step_sync=True)
        # On a full disk, logging would print a traceback for each line of the client's own log.
        for handler in logging.getLogger("wandb").handlers:
            handler.handleError = lambda record: None
        return run

    def _change_mode(self, error: Exception, mode: str) -> None:
        """Leaves the client that raised `error`, for one in `mode`."""
        what = {
            "offline": f"logged offline; later, `wandb sync {self._files}/offline-run-*` uploads it",
            "disabled": "without W&B; epochs.csv has every epoch",
        }
        rank_zero_info(f"W&B failed ({first_line(error)}): training goes on, {what.get(mode, 'with a new client')}")
        with contextlib.suppress(Exception, SystemExit):
            wandb.teardown()
        # Also of a run that now comes to its end and has no next start.
        with contextlib.suppress(OSError):
            set_aside_empty(self._files)
        self._wandb_init["mode"], self._experiment = mode, None


def attempt(loggers: Iterable[Logger], action: Callable[[Any], None]) -> None:
    """`action(run)` with the run of each W&B logger."""
    for logger in loggers:
        if isinstance(logger, RunLogger):
            logger.attempt(action)
        elif isinstance(logger, WandbLogger):
            action(logger.experiment)


def of_run(logger: Logger, folder: RunFolder, record: RunRecord) -> Logger:
    """A logger that the user chose, made to continue one curve at every start of the run.

    W&B's becomes a RunLogger with the settings it was given; what CSV's and TensorBoard's call a version, if nobody
    does, is the run's id.

    Raises:
        UserError: for a setting of W&B's logger that a run cannot follow.
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
    """A logger of a run's configuration, made to leave the curve of `fit` alone, which has the version that is set."""
    if isinstance(logger, CSVLogger | TensorBoardLogger) and logger._version is not None:
        logger._version = f"{logger._version}-{command}"
    return logger


def begins_anew(logger: Logger, record: RunRecord) -> bool:
    """Whether a start writes the curve from its beginning, in the place of what earlier starts wrote.

    The files that the run's earlier starts left are removed.
    """
    ours = isinstance(logger, TensorBoardLogger) and logger.version == record.id
    return ours or isinstance(logger, CSVLogger)


class _Writer(ExperimentWriter):
    """Leaves the file of earlier starts to `callbacks.Dashboard`; Lightning's removes it before a resume is refused."""

    def _check_log_dir_exists(self) -> None:
        pass

    def save(self) -> None:
        # Lightning saves once more when this has failed, and what that raises is what is told.
        with writing(Path(self.metrics_file_path)):
            super().save()


def keep_earlier_files(logger: Logger, record: RunRecord) -> list[Path]:
    """Keeps a start from writing to the files of CSV's or TensorBoard's that the run's earlier starts left.

    Returns:
        These files.
    """
    if not begins_anew(logger, record):
        return []
    names = "events.out.tfevents.*"
    if isinstance(logger, CSVLogger):
        logger._experiment, names = _Writer(logger.log_dir), _Writer.NAME_METRICS_FILE
    else:
        # tensorboardX names a file by its second: another start within it would empty the file, even if refused.
        logger._kwargs["filename_suffix"] = f"{logger._kwargs.get('filename_suffix', '')}.{time.time_ns()}"
    return list(Path(logger.log_dir).glob(names))


def check_places(loggers: Iterable[Logger]) -> None:
    """Raises UserError where the folder of a logger of CSV's or TensorBoard's cannot be written."""
    for logger in loggers:
        if isinstance(logger, CSVLogger | TensorBoardLogger):
            check_writable(Path(logger.log_dir), "choose another save_dir of trainer.logger")


def wandb_logger(folder: RunFolder, record: RunRecord, **given: Any) -> RunLogger:
    """A logger that creates, or continues, the W&B run with the run's own id.

    WANDB_MODE, WANDB_PROJECT, WANDB_ENTITY, WANDB_NAME, WANDB_RUN_GROUP and W&B's settings files are followed, unless
    `given`, settings of `wandb.init`, say otherwise.

    Raises:
        UserError: if one of them is invalid.
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
    # pydantic's errors, W&B's own, and those of its settings file.
    except Exception as error:
        raise UserError(
            f"W&B's settings are not valid: {first_line(error)}. Correct WANDB_MODE, WANDB_PROJECT or the like, or say "
            "--trainer.logger=false to train without W&B"
        ) from error
    return RunLogger(folder, mode, **settings)


def _mode(mode: str) -> str:
    """The mode that W&B's settings name; offline where that is online without credentials to go there."""
    mode = {"run": "online", "dryrun": "offline"}.get(mode, mode)
    if mode != "online" or rank_zero_only.rank != 0:
        return mode
    return "online" if wandb.login(prompt=False, verify=False) else "offline"


def first_line(error: Exception) -> str:
    """What is wrong, in one line; of pydantic's errors the setting, its value and what it should be."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, e['loc']))} is {e['input']!r}: {e['msg']}" for e in error.errors())
    return (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")


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
    return [attempt.rename(free_name(attempt, "empty-{}")) for attempt in empty]


def set_aside_shown(folder: Path) -> None:
    """Renames `offline-run-...` below `folder` to `shown-offline-run-...`, once an online run has all their epochs.

    `wandb sync` would put these on the curve a second time.
    """
    for attempt in folder.glob("offline-run-*"):
        attempt.rename(free_name(attempt, "shown-{}"))
