"""Derives the identity of a run, its id, name and folder, from its resolved configuration."""

import glob
import os
import re
from dataclasses import replace
from pathlib import Path
from pydoc import locate
from typing import Any

from records import RunFolder, RunRecord, settings_digest
from records.checkpoint import plain
from records.configuration import flatten
from records.errors import UserError
from records.repair import configuration, recorded


def identify(config: dict[str, Any]) -> tuple[RunFolder, RunRecord]:
    """Returns the folder and the record of the run that a resolved `fit` configuration describes.

    Args:
        config: configuration of plain values, nested or with keys joined by dots.

    Raises:
        UserError: if the run's id cannot name a folder.
    """
    config = flatten(config)
    seed, padding = config["seed_everything"], config["model.init_args.padding"]
    network = config["model.init_args." + ("network" if "model.init_args.network" in config else "encoder")]
    digest = settings_digest(config)
    split = config.get("data.init_args.split")
    variant = f"split{split}" if isinstance(split, int) else ""
    group = "-".join(filter(None, (network, variant, padding)))
    name = f"{group}-seed{seed}"
    run_id = config["run.id"] or os.environ.get("WANDB_RUN_ID") or digest[:8]
    if not re.fullmatch(r"[\w.-]+", run_id):
        raise UserError(f"run.id is '{run_id}': use letters, digits, '.', '_' and '-' only")
    record = RunRecord(
        id=run_id,
        name=name,
        group=group,
        network=network,
        padding=padding,
        seed=seed,
        max_epochs=config["trainer.max_epochs"] or -1,
        monitor=locate(config["model.class_path"]).monitor,
        targets=list(config["convergence.targets"]),
        digest=digest,
        variant=variant,
        max_steps=config["trainer.max_steps"],
        digest_rule=2,
        data_root=str(config.get("data.init_args.root", "")),
    )
    # A timm name may hold a slash or a colon (hf-hub:owner/model), which a folder's name may not.
    folder = plain(f"{name}-{run_id}")
    return RunFolder(Path(config["run.root"]).expanduser() / folder), record


def find_again(folder: RunFolder, record: RunRecord) -> tuple[RunFolder, RunRecord]:
    """Returns folder and record under the id of an early version, whose ids depended on the folder of the data.

    Returns `folder` and `record` unchanged if there is no run folder of such a version.
    """
    others = [folder]
    if not folder.exists() and record.id == record.digest[:8]:
        start = glob.escape(folder.path.name.removesuffix(record.id))
        others = [RunFolder(file.parent) for file in sorted(folder.path.parent.glob(f"{start}*/run.json"))]
    for other in others:
        old = recorded(other)
        # A run with a given id, from --run.id or an agent, is continued only under that id.
        named = old and (other is folder or old.id == old.digest[:8])
        if named and old.digest_rule == 1 and current_digest(other, old) == record.digest:
            return other, replace(record, id=old.id, digest=old.digest, digest_rule=1)
    return folder, record


def refuse_id_of_another(folder: RunFolder, record: RunRecord) -> None:
    """Raises UserError if a run of another name beside `folder` has the id of `record`: in W&B both were one run.

    Runs that exist already are left alone.
    """
    for file in [] if recorded(folder) else sorted(folder.path.parent.glob(f"*-{glob.escape(record.id)}/run.json")):
        old = recorded(RunFolder(file.parent))
        if old and old.id == record.id and old.name != record.name:
            raise UserError(f"run.id: {file.parent} has the id {record.id} already; give each run its own")


def current_digest(folder: RunFolder, record: RunRecord) -> str:
    """Returns the digest of a run's settings by rule 2; the recorded digest if config.yaml cannot be read."""
    if record.digest_rule > 1:
        return record.digest
    config = configuration(folder)
    return settings_digest(config) if config else record.digest


def has_moved(folder: RunFolder, recorded: RunRecord, record: RunRecord) -> bool:
    """Returns whether the run's data were in another folder than `record` says, so that they may differ."""
    known = recorded.data_root or flatten(configuration(folder) or {}).get("data.init_args.root", record.data_root)
    return known != record.data_root
