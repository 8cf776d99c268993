"""What happens to a run folder before training starts: the lock, the record of the attempt, where to resume."""

import fcntl
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import yaml
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_only

from callbacks.checkpoints import newest_good, remove_leftovers
from cli.errors import UserError
from cli.identity import differences
from cli.provenance import provenance
from records import RunFolder, RunRecord, best, write_text

_locks: list[IO[str]] = []
"""Open for the life of the process: closing a file gives up its lock."""


@dataclass(frozen=True)
class Start:
    """How a run begins: finished already, from a checkpoint, or from the beginning (neither)."""

    finished: bool = False
    checkpoint: Path | None = None


def prepare(folder: RunFolder, record: RunRecord, config: dict[str, Any], chosen: str | None) -> Start:
    """Readies the folder of a run and says, in a line, where the run begins.

    Every process calls this and comes to the same answer: none trains before all have. Only the first one writes.

    Args:
        folder: the run's folder, new or not.
        record: who the run is.
        config: its resolved configuration.
        chosen: the checkpoint that the user named with --ckpt_path, if any.

    Raises:
        UserError: if another process runs in the folder, or the folder holds another run.
    """
    first = rank_zero_only.rank == 0
    if first:
        folder.checkpoints.mkdir(parents=True, exist_ok=True)
        _lock(folder)
    old = folder.read_record() if folder.exists() else None
    if old is not None:
        _refuse_another_run(folder, old, record, config)
        record.attempts = old.attempts
    if old is not None and old.finished and chosen is None:
        rank_zero_info(_finished_line(folder, old))
        return Start(finished=True)
    start, line = _choose(folder, chosen, first)
    rank_zero_info(line)
    if first:
        _write_attempt(folder, record, config, start)
    return start


def _lock(folder: RunFolder) -> None:
    # lockf, not flock: the worker processes of a killed run must not go on holding it.
    file = open(folder.path / ".lock", "w")  # noqa: SIM115
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(f"another process is training in {folder.path}; wait for it or stop it") from None
    _locks.append(file)


def _refuse_another_run(folder: RunFolder, old: RunRecord, new: RunRecord, config: dict[str, Any]) -> None:
    if old.digest == new.digest:
        return
    saved = yaml.safe_load(folder.config.read_text()) if folder.config.is_file() else {}
    changed = "; ".join(differences(saved, config)) or "its configuration file is missing"
    raise UserError(
        f"{folder.path} holds a run with other settings ({changed}). Say --run.id=NAME for a run of its own, or give "
        "the settings it was started with to continue it"
    )


def _choose(folder: RunFolder, chosen: str | None, first: bool) -> tuple[Start, str]:
    if chosen is not None:
        return Start(), f"starting from {chosen}, as --ckpt_path says; run folder {folder.path}"
    checkpoint, bad = newest_good(folder.checkpoints, set_aside=first)
    for path in bad:
        rank_zero_info(f"damaged, set aside as {path.name}.bad: {path}")
    if checkpoint is None:
        return Start(), f"starting from the beginning; run folder {folder.path}"
    step = int(checkpoint.stem.rpartition("-")[2])
    epochs = len(folder.read_rows())
    return Start(checkpoint=checkpoint), f"resuming from {checkpoint}: step {step}, {epochs} epochs recorded"


def _finished_line(folder: RunFolder, record: RunRecord) -> str:
    rows = folder.read_rows()
    return (
        f"already finished: {folder.path}, {len(rows)} epochs, best {record.monitor} {best(rows, record.monitor)}. "
        "Delete the folder or say --run.id=NAME to run it again"
    )


def _write_attempt(folder: RunFolder, record: RunRecord, config: dict[str, Any], start: Start) -> None:
    remove_leftovers(folder.checkpoints)
    kept = {key: value for key, value in config.items() if key not in ("ckpt_path", "weights_only", "config")}
    write_text(folder.config, yaml.safe_dump(kept, sort_keys=False))
    attempt = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "resumed_from": start.checkpoint.name if start.checkpoint else None,
        **provenance(),
    }
    record.attempts = [*record.attempts, attempt]
    folder.write_record(record)
