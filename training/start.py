"""What happens to a run folder before training starts: the lock, the record of the attempt, where to resume."""

import contextlib
import fcntl
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import wandb
import yaml
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_only

from records import RunFolder, RunFolderError, RunRecord, best, differences, write_text
from records.atomic import remove_leftovers, writing
from records.errors import UserError, is_for_users
from records.repair import configuration, recorded, set_damaged_aside
from training.checkpoint_files import RESUME_PATTERN, newest_good
from training.loggers import set_aside_empty
from training.provenance import provenance

_locks: list[IO[str]] = []
"""Open for the life of the process: closing a file gives up its lock."""


def is_finished(folder: RunFolder, record: RunRecord, config: dict[str, Any], chosen: str | None) -> bool:
    """Whether the run came to its end before; says so in a line. Writes nothing.

    Raises:
        UserError: if the folder holds another run, or progress that starting from `chosen` would overwrite.
        RunFolderError: if a damaged file cannot be written anew, since no resume checkpoint is left.
    """
    old, progress = recorded(folder), any(folder.checkpoints.glob(RESUME_PATTERN))
    if old is None and not progress:
        _refuse_to_start_over(folder)
        return False
    _refuse_another_run(folder, old, record, config)
    if chosen is not None and progress:
        raise UserError(
            f"{folder.path} holds progress of this run already, which starting from {chosen} would overwrite. Leave "
            "--ckpt_path out to continue it, or say --run.id=NAME for a run of its own"
        )
    if old is None or not old.finished:
        return False
    try:
        rows = folder.read_rows()
    except RunFolderError:
        if not progress:
            raise
        rows = []
    if not rows and progress:
        return False  # training goes on from the run's end, which writes epochs.csv anew
    rank_zero_info(
        f"already finished: {folder.path}, {len(rows)} epochs, best {record.monitor} {best(rows, record.monitor)}. "
        "Delete the folder or say --run.id=NAME to run it again"
    )
    return True


def prepare(
    folder: RunFolder, record: RunRecord, config: dict[str, Any], chosen: str | None, hardware: dict[str, Any]
) -> Path | None:
    """Readies the folder of a run, says in a line where the run begins, and returns the checkpoint to resume from.

    Every process calls this and comes to the same answer: none trains before all have. Only the first one writes.

    Args:
        folder: the run's folder, new or not.
        record: who the run is.
        config: its resolved configuration.
        chosen: the checkpoint that the user named with --ckpt_path, if any; it is left to Lightning.
        hardware: what this attempt computes on: `accelerator`, such as cuda, and its number of `processes`.

    Raises:
        UserError: if another process runs in the folder.
    """
    first = rank_zero_only.rank == 0
    if first:
        with writing(folder.path):
            folder.checkpoints.mkdir(parents=True, exist_ok=True)
            _lock(folder)
            record.attempts, lines = set_damaged_aside(folder)
        for line in lines:
            rank_zero_info(line)
        set_aside_empty(folder.path / "wandb")
    checkpoint, line = _choose(folder, chosen, first)
    rank_zero_info(line)
    if first:
        _write_attempt(folder, record, config, checkpoint, hardware)
    return checkpoint


@contextlib.contextmanager
def leaving_nothing(folder: RunFolder) -> Iterator[None]:
    """Takes a folder away again that was made within, if the user's input is refused before anything was trained."""
    made = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    try:
        yield
    except Exception as error:
        refused = is_for_users(error) and getattr(error, "exit_status", 2) == 2
        if made and refused and rank_zero_only.rank == 0 and not any(folder.checkpoints.glob("*.ckpt")):
            if wandb.run is not None:
                wandb.finish(2)  # it would go on writing there
            shutil.rmtree(folder.path, ignore_errors=True)
            with contextlib.suppress(OSError):
                for path in made[1:]:
                    path.rmdir()
        raise


def _lock(folder: RunFolder) -> None:
    # lockf, not flock: the worker processes of a killed run must not go on holding it.
    file = open(folder.path / ".lock", "w")  # noqa: SIM115
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise UserError(f"another process is training in {folder.path}; wait for it or stop it") from None
    _locks.append(file)


def _refuse_to_start_over(folder: RunFolder) -> None:
    if any(folder.checkpoints.glob("*.ckpt")):
        raise RunFolderError(
            f"{folder.record_file} is damaged or missing, and no resume checkpoint is left to continue from; restore "
            "it, or say --run.id=NAME to train anew in another folder"
        )


def _refuse_another_run(folder: RunFolder, old: RunRecord | None, new: RunRecord, config: dict[str, Any]) -> None:
    if old is not None and old.digest == new.digest:
        return
    kept = configuration(folder)
    if kept is None:
        if new.id == new.digest[:8]:
            return  # the folder's name is the hash of the settings
        raise UserError(
            f"{folder.path} holds a run, but its config.yaml is missing or damaged, so which one cannot be known; say "
            "--run.id=NAME for another run"
        )
    changed = differences(kept, config)
    if not changed:
        return  # only options that are newer than the run
    raise UserError(
        f"{folder.path} holds a run with other settings ({'; '.join(changed)}). Say --run.id=NAME for a run of its "
        "own, or give the settings it was started with to continue it"
    )


def _choose(folder: RunFolder, chosen: str | None, first: bool) -> tuple[Path | None, str]:
    if chosen is not None:
        return None, f"starting from {chosen}, as --ckpt_path says; run folder {folder.path}"
    checkpoint, bad = newest_good(folder.checkpoints, set_bad_aside=first)
    for line in bad:
        rank_zero_info(line)
    if checkpoint is None:
        return None, f"starting from the beginning; run folder {folder.path}"
    step = int(checkpoint.stem.rpartition("-")[2])
    return checkpoint, f"resuming from {checkpoint}: step {step}"


def _write_attempt(
    folder: RunFolder, record: RunRecord, config: dict[str, Any], checkpoint: Path | None, hardware: dict[str, Any]
) -> None:
    remove_leftovers(folder.path, folder.checkpoints, folder.evaluations)
    kept = {key: value for key, value in config.items() if key not in ("ckpt_path", "weights_only", "config")}
    write_text(folder.config, yaml.safe_dump(kept, sort_keys=False))
    attempt = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "resumed_from": checkpoint.name if checkpoint else None,
        **hardware,
        **provenance(),
    }
    record.attempts.append(attempt)
    folder.write_record(record)
