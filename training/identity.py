"""Who a run is: its id, name and folder, all from its resolved configuration."""

import importlib
import os
import re
from pathlib import Path
from typing import Any

from records import RunFolder, RunRecord, settings_digest
from records.errors import UserError


def identify(config: dict[str, Any]) -> tuple[RunFolder, RunRecord]:
    """The folder and record of the run that `config` (a resolved `fit` configuration, plain values) describes.

    Raises:
        UserError: if the run's id cannot name a folder.
    """
    model = config["model"]
    settings = model.get("init_args") or {}
    seed = config["seed_everything"]
    digest = settings_digest(config)
    network, padding = settings["network"] if "network" in settings else settings["encoder"], settings["padding"]
    split = (config["data"].get("init_args") or {}).get("split")
    variant = f"split{split}" if isinstance(split, int) else ""
    group = "-".join(filter(None, (network, variant, padding)))
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
        variant=variant,
        max_steps=config["trainer"]["max_steps"],
    )
    # A timm name may hold a slash or a colon (hf-hub:owner/model), a folder's name may not.
    folder = re.sub(r"[^\w.-]+", "_", f"{name}-{run_id}")
    return RunFolder(Path(config["run"]["root"]) / folder), record


def _monitor(class_path: str) -> str:
    module, _, name = class_path.rpartition(".")
    return getattr(getattr(importlib.import_module(module), name), "monitor", "val/loss")
