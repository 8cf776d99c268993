"""Checks settings of the Trainer that Lightning refuses late, in terms of its code, or not at all."""

import contextlib
import re
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytorch_lightning as pl
from pytorch_lightning.callbacks import BatchSizeFinder, EarlyStopping, LearningRateFinder
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from pytorch_lightning.utilities.rank_zero import rank_zero_warn

from records.errors import FailedRunError, UserError, is_for_users
from training.checks.sources import nearest

_T = TypeVar("_T")

HERE = Path(__file__).parents[2]
HANDS_ON = (Path(__file__), HERE / "training/program.py", HERE / "cli/sweep/resolver.py")

Kinds = type[Exception] | tuple[type[Exception], ...]

REFUSALS = (
    MisconfigurationException,
    ValueError,
    TypeError,
    ImportError,
    RuntimeError,
    AttributeError,
    LookupError,
)
"""Errors that Lightning, and the classes that a configuration names, raise on settings that they cannot work with."""

PLACE = ("accelerator", "devices", "strategy", "num_nodes", "precision", "plugins")
"""Settings of hardware and processes; Lightning's messages about them do not name the setting."""

LEAST: dict[str, float] = {
    "accumulate_grad_batches": 1,
    "check_val_every_n_epoch": 1,
    "gradient_clip_val": 0,
    "log_every_n_steps": 0,
    "num_sanity_val_steps": -1,
}

LIMITS = {"fit": "train", "validate": "val", "test": "test", "predict": "predict"}
"""Maps a subcommand to the name in its `limit_..._batches`, which must leave it some batches."""


def check_ranges(command: str, settings: Mapping[str, Any]) -> None:
    """Refuses numbers with which nothing would be computed, or with which Lightning's arithmetic fails during a run.

    Args:
        command: fit, validate, test or predict.
        settings: parsed settings of the Trainer.

    Raises:
        UserError: if a number is out of range; names the setting, its value, and what it must be.
    """
    for name, least in LEAST.items():
        value = settings.get(name)
        # `not >=` and not `<`: a comparison with NaN is false.
        if value is not None and not value >= least:
            raise UserError(f"trainer.{name} is {value}; it must be at least {least}")
    for name, needless in (("enable_checkpointing", False), ("barebones", True)) if command == "fit" else ():
        if settings.get(name) is needless and not settings.get("fast_dev_run"):
            raise UserError(f"trainer.{name} is {needless}, but a run keeps checkpoints and metrics; leave it out")
    for name in ("max_epochs", "max_steps") if command == "fit" else ():
        if settings.get(name) == 0:
            raise UserError(f"trainer.{name} is 0: nothing would be trained; it must be at least 1, or -1 for no limit")
    limit = f"limit_{LIMITS[command]}_batches"
    if settings.get(limit) == 0 or (command == "fit" and settings.get("val_check_interval") == 0):
        name = limit if settings.get(limit) == 0 else "val_check_interval"
        raise UserError(f"trainer.{name} is 0: nothing would be done; it must be above 0, or leave it out")


def guarded(build: Callable[[], _T], named: Callable[[str, str], str], kinds: Kinds = REFUSALS) -> _T:
    """Calls `build`, which makes objects of libraries from settings, and turns a library's error into a UserError.

    An error that code of this project raised or passed on is a defect of the project and stays as it is.

    Args:
        named: names what is at fault, given the library's reason and the class whose constructor raised it.
        kinds: errors that the libraries raise.

    Raises:
        UserError: with the library's reason.
    """
    try:
        return build()
    except kinds as error:
        # The parser wraps the error of a constructor in a message about types.
        cause = own_error(error)
        if is_for_users(cause):
            raise cause from error
        owner = _refusing(cause)
        if owner is None:
            raise cause from error
        reason = " ".join(str(cause).split())
        raise UserError(f"{named(reason, owner)}: {reason}") from error


def own_error(error: BaseException) -> BaseException:
    """Returns the first error for the user in the chain of causes, else the last error of the chain."""
    while not is_for_users(error) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _refusing(error: BaseException) -> str | None:
    """Returns the class whose constructor raised, or ""; None if the error was raised in or passed on by our code."""
    owner, ours = "", True
    for frame, _ in traceback.walk_tb(error.__traceback__):
        file = Path(frame.f_code.co_filename)
        ours = file.is_relative_to(HERE) and "site-packages" not in file.parts
        # HANDS_ON only pass settings to a library; any other file of the project may have caused the error.
        if ours and file not in HANDS_ON:
            return None
        if frame.f_code.co_name == "__init__" and not ours:
            owner = owner or type(frame.f_locals.get("self")).__name__
    return None if ours else owner


def name_class(config: Mapping[str, Any]) -> Callable[[str, str], str]:
    """For `guarded`: names the key whose value is the refusing class."""

    def named(reason: str, owner: str) -> str:
        keys = [key for key, value in config.items() if owner and owner in str(value)]
        return f"{keys[0]}: {owner}" if keys else owner or "a class in the configuration"

    return named


def name_settings(settings: Mapping[str, Any]) -> Callable[[str, str], str]:
    """For `guarded`: names the Trainer's settings that the reason mentions or, without any, those given of PLACE."""

    def named(reason: str, owner: str) -> str:
        given = {name: value for name, value in settings.items() if value not in (None, "auto", 1, [], {})}
        if given.get("overfit_batches"):  # Lightning copies it to these limits
            reason = re.sub("limit_(train|val)_batches", "overfit_batches", reason)
        found = [name for name in given if re.search(rf"(?<![\w.]){name}(?!\w)", reason)]
        found = found or [name for name, value in given.items() if isinstance(value, str) and repr(value) in reason]
        found = found or [name for name in PLACE if name in given]
        return ", ".join(f"trainer.{name} is {settings[name]!r}" for name in found) or "the Trainer's settings"

    return named


def check_tuners(trainer: pl.Trainer) -> None:
    """Refuses callbacks that choose a learning rate or batch size at each start, unlike config.yaml and the run's id.

    Raises:
        UserError: if there is one; names the callback and the setting.
    """
    for tuner, setting in ((LearningRateFinder, "rate (model.lr)"), (BatchSizeFinder, "batch (data.batch_size)")):
        if any(isinstance(callback, tuner) for callback in trainer.callbacks):
            raise UserError(
                f"trainer.callbacks: {tuner.__name__} chooses the {setting} anew at each start, and the run's "
                "config.yaml and id would name another one; leave it out and set that"
            )


def check_monitors(trainer: pl.Trainer, metrics: Collection[str]) -> None:
    """Refuses an EarlyStopping that monitors a metric which no epoch has.

    Args:
        metrics: names of the metrics that the module logs in `fit`.

    Raises:
        UserError: if the metric is unknown; names it, and the known ones.
    """
    there = [name for name in metrics if trainer.limit_val_batches or not name.startswith("val/")]
    for callback in trainer.callbacks:
        if isinstance(callback, EarlyStopping) and callback.strict and callback.monitor not in there:
            raise UserError(
                f"trainer.callbacks: EarlyStopping monitors {callback.monitor!r}, which no epoch has"
                f"{nearest(callback.monitor, there)}; there are {', '.join(there)}"
            )


@contextlib.contextmanager
def naming_monitors(trainer: pl.Trainer) -> Iterator[None]:
    """Explains, during `fit`, that an EarlyStopping lacks its metric if `check_monitors` could not know that.

    Raises:
        FailedRunError: instead of Lightning's RuntimeError.
    """
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("Early stopping conditioned on metric"):
            raise
        raise FailedRunError(
            f"trainer.callbacks: EarlyStopping monitors a metric that epoch {trainer.current_epoch + 1} does not have: "
            f"{error}"
        ) from error


def check_loop(trainer: pl.Trainer, batches: int, val_batches: int, overfit: int | float) -> None:
    """Refuses limits and intervals that do not fit the number of batches.

    Args:
        batches: number of training batches per process.
        val_batches: number of validation batches per process.
        overfit: `overfit_batches` as the user set it; unless it is 0, Lightning has copied it to both limits.

    Raises:
        UserError: if one does not fit; names the setting, its value, and the number of batches.
    """
    train, val = ("overfit_batches",) * 2 if overfit else ("limit_train_batches", "limit_val_batches")
    used = _used(train, trainer.limit_train_batches, batches, "training")
    interval, every = trainer.val_check_interval, trainer.check_val_every_n_epoch
    if not trainer.limit_val_batches:
        rank_zero_warn("trainer.limit_val_batches is 0: nothing is validated, and there will be no best.ckpt")
    elif (
        _used(val, trainer.limit_val_batches, val_batches, "validation")
        and isinstance(interval, int)
        and every
        and interval > used
    ):
        raise UserError(
            f"trainer.val_check_interval is {interval}, more than the {used} batches of an epoch; lower it, or "
            "count over epochs with trainer.check_val_every_n_epoch=null"
        )


def _used(name: str, limit: int | float, batches: int, kind: str) -> int:
    """Returns how many batches a limit leaves: an int is a number of batches, a float a share (1.0 for all)."""
    used = min(batches, limit) if isinstance(limit, int) else int(batches * limit)
    if not used:
        raise UserError(f"trainer.{name} is {limit}, which leaves none of {batches} {kind} batches; raise it")
    return used
