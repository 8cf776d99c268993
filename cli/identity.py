"""Who a run is: its id, name and folder, all from its resolved configuration."""

import hashlib
import importlib
import json
import os
import re
from pathlib import Path
from typing import Any

from cli.errors import UserError
from records import RunFolder, RunRecord

# Settings that change where or how fast a run computes, not what: the same run may be resumed under other values.
NOT_DECIDING = (
    "config",
    "ckpt_path",
    "weights_only",
    "run",
    "convergence",
    "prediction",
    "trainer.accelerator",
    "trainer.strategy",
    "trainer.devices",
    "trainer.num_nodes",
    "trainer.logger",
    "trainer.profiler",
    "trainer.default_root_dir",
    "trainer.log_every_n_steps",
    "trainer.enable_checkpointing",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.enable_autolog_hparams",
    "data.init_args.num_workers",
    "data.init_args.cache_index",
    "data.init_args.loader_timeout",
    "data.init_args.eval_batch_size",
    "data.init_args.predict_folder",
)


def identify(config: dict[str, Any]) -> tuple[RunFolder, RunRecord]:
    """The folder and record of the run that `config` (a resolved `fit` configuration, plain values) describes.

    Raises:
        UserError: if the seed or the length of training is missing.
    """
    model = config["model"]
    settings = model.get("init_args") or {}
    seed = config["seed_everything"]
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UserError("seed_everything must be a number, such as --seed_everything=0: a run is found again by it")
    digest = settings_digest(config)
    network, padding = settings.get("network") or settings["encoder"], settings["padding"]
    group = f"{network}-{padding}"
    name = f"{group}-seed{seed}"
    run_id = config["run"]["id"] or os.environ.get("WANDB_RUN_ID") or digest[:8]
    if not re.fullmatch(r"[\w.-]+", run_id):
        raise UserError(f"run.id is '{run_id}': use letters, digits, '.', '_' and '-' only")
    record = RunRecord(
        id=run_id,
        name=name,
        group=group,
        network=network,
        padding=padding,
        seed=seed,
        max_epochs=config["trainer"]["max_epochs"] or -1,
        monitor=_monitor(model["class_path"]),
        targets=list(config["convergence"]["targets"]),
        digest=digest,
    )
    # A timm name may hold a slash or a colon (hf-hub:owner/model), a folder's name may not.
    folder = re.sub(r"[^\w.-]+", "_", f"{name}-{run_id}")
    return RunFolder(Path(config["run"]["root"]) / folder), record


def resolve(arguments: list[str]) -> tuple[RunFolder, RunRecord]:
    """The folder and record of the run that `main.py *arguments` (beginning with `fit`) would start; builds nothing.

    Raises:
        UserError: if the arguments are invalid.
    """
    from cli.training import parse  # here, since it imports torch and Lightning

    return identify(parse(arguments))


def settings_digest(config: dict[str, Any]) -> str:
    """Hash (40 hex digits) of the settings that decide a run's result."""
    # Without the unset ones: an option that a later version adds, and leaves unset, must not orphan earlier runs.
    settings = {key: value for key, value in flatten(config).items() if value is not None}
    deciding = {key: value for key, value in settings.items() if not _is_under(key, NOT_DECIDING)}
    return hashlib.sha1(json.dumps(deciding, sort_keys=True, default=str).encode()).hexdigest()


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Deciding settings in which two configurations differ, as `key: old -> new`."""
    old, new = flatten(old), flatten(new)
    keys = [key for key in sorted(old.keys() | new.keys()) if not _is_under(key, NOT_DECIDING)]
    return [f"{key}: {old.get(key)} -> {new.get(key)}" for key in keys if old.get(key) != new.get(key)]


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys joined by dots; an empty dictionary counts as None."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = None if value == {} else value
    return flat


def _is_under(key: str, parents: tuple[str, ...]) -> bool:
    return any(key == parent or key.startswith(f"{parent}.") for parent in parents)


def _monitor(class_path: str) -> str:
    module, _, name = class_path.rpartition(".")
    return getattr(getattr(importlib.import_module(module), name), "monitor", "val/loss")
