"""Prepares the run folder before training: locks it, records the attempt, chooses the checkpoint to resume from."""

import contextlib
import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import wandb
import yaml
from pytorch_lightning.utilities.rank_zero import rank_zero_info, rank_zero_only

from records import RunFolder, RunFolderError, RunRecord, best, differences, write_text
from records.atomic import reading, remove_leftovers, writing
from records.data_files import Sets, data_differences, read_data_files, write_data_files
from records.errors import UserError, is_for_users
from records.repair import configuration, recorded, set_damaged_aside
from training.checkpoint_files import RESUME_PATTERN, check_whole, newest_good
from training.identity import has_moved
from training.loggers import set_aside_empty
from training.provenance import started

_locks: list[IO[str]] = []
"""Lock files, kept open for the life of the process: closing a file releases its lock."""


def is_finished(
    folder: RunFolder, record: RunRecord, config: dict[str, Any], chosen: str | None, same_data: bool = False
) -> bool:
    """Returns whether the run has already reached its end, and if so prints it. Writes nothing.

    If the data are in another folder now, returns False until they have been compared (`same_data`).

    Raises:
        UserError: if the folder holds another run, or progress that did not begin from `chosen`.
        RunFolderError: if a damaged file cannot be written again, because no resume checkpoint is left.
    """
    old, progress = recorded(folder), any(folder.checkpoints.glob(RESUME_PATTERN))
    if old is None and not progress:
        if any(folder.checkpoints.glob("*.ckpt")):
            raise RunFolderError(
                f"{folder.record_file} is damaged or missing, and no resume checkpoint is left to continue from; "
                "restore it, or say --run.id=NAME to train anew in another folder"
            )
        return False
    _refuse_another_run(folder, old, record, config)
    # Of several starts without a checkpoint of the run's own the last one made the progress.
    starts = [attempt for attempt in (old.attempts if old else ()) if attempt.get("resumed_from") is None]
    began = starts[-1].get("ckpt_path") if starts else None
    if chosen is not None and progress and str(Path(chosen).resolve()) != began:
        raise UserError(
            f"{folder.path} holds progress of this run already, which starting from {chosen} would overwrite. Leave "
            "--ckpt_path out to continue it, or say --run.id=NAME for a run of its own"
        )
    if old is None or not old.finished or not (same_data or not has_moved(folder, old, record)):
        return False
    if progress and old.attempts and old.attempts[-1].get("ended", "") is None:
        return False  # it was killed before W&B had all epochs, which a start from the run's end logs
    try:
        with reading(folder.epochs):
            rows = folder.read_rows()
    except RunFolderError:
        if not progress:
            raise
        rows = []
    if not rows and progress:
        return False  # a start resumes at the run's end, which writes epochs.csv again
    rank_zero_info(
        f"already finished: {folder.path}, {len(rows)} epochs, best {record.monitor} {best(rows, record.monitor)}. "
        "Delete the folder or say --run.id=NAME to run it again"
    )
    return True


def check_data(folder: RunFolder, record: RunRecord, data: Any, accept: bool) -> tuple[Sets | None, list[str]]:
    """Sets `record.data`, the digest of the run's files, and compares the files with those of earlier attempts.

    Returns:
        The files for `write_data_files`, None if the folder lists them already; and one line per kind of difference.

    Raises:
        UserError: if they differ and `accept` is off.
    """
    sets = data.file_sets()
    record.data = hashlib.sha1("".join(each.digest for each in sets.values()).encode()).hexdigest()[:16]
    old = recorded(folder)
    known = old.data if old else ""
    if known == record.data and folder.data_files.is_file():
        return None, []
    sets = {name: each.to_dict() for name, each in sets.items()}
    if not any(folder.checkpoints.glob(RESUME_PATTERN)) and not (old and old.finished):
        return sets, []
    stored = read_data_files(folder.data_files)
    if (stored[0] if stored else known) in ("", record.data):
        return sets, []
    unknown = [f"{folder.data_files.name}, which lists them, is damaged"]
    changed = data_differences(stored[1], sets) if stored else unknown
    if not accept:
        raise UserError(
            f"the data in {record.data_root} are not those of {folder.path}: {'; '.join(changed)}. Restore them, or "
            "say --run.accept_changed_data=true to go on with these, which run.json records, or --run.id=NAME for a "
            "run of its own"
        )
    rank_zero_info(f"the data have changed, which run.json records: {'; '.join(changed)}")
    return sets, changed


def prepare(folder: RunFolder, chosen: str | None) -> Path | None:
    """Locks the run folder, prints where the run begins, and returns the checkpoint to resume from.

    Every process calls this and gets the same answer, since none trains before all have called it. Only the first
    process writes.

    Args:
        folder: run folder, which need not exist.
        chosen: checkpoint that the user gave by --ckpt_path, if any; Lightning loads it where the folder has none yet.

    Raises:
        UserError: if another process runs in the folder.
    """
    first = rank_zero_only.rank == 0
    if first:
        with writing(folder.path):
            folder.checkpoints.mkdir(parents=True, exist_ok=True)
            _lock(folder)
        set_aside_empty(folder.path / "wandb")
    checkpoint, line = _choose(folder, chosen, first)
    rank_zero_info(line)
    return checkpoint


def write_attempt(
    folder: RunFolder,
    record: RunRecord,
    config: dict[str, Any],
    files: Sets | None,
    checkpoint: Path | None,
    facts: dict[str, Any],
) -> None:
    """Writes the attempt and its configuration into the folder.

    Called once the checkpoint is loaded, so that a refused resume changes nothing.

    Args:
        folder: run folder, which this process has locked.
        record: identity of the run; gets the earlier attempts and this one.
        config: resolved configuration of the run.
        files: files that the run reads, from `check_data`.
        checkpoint: checkpoint to resume from.
        facts: further entries of the attempt: `accelerator`, such as cuda, number of `processes`, changed data, and
            the result of `initial_weights`.
    """
    with writing(folder.path):
        record.attempts, lines = set_damaged_aside(folder)
    for line in lines:
        rank_zero_info(line)
    remove_leftovers(folder.path, folder.checkpoints, folder.evaluations)
    kept = {key: value for key, value in config.items() if key not in ("ckpt_path", "weights_only", "config")}
    write_text(folder.config, yaml.safe_dump(kept, sort_keys=False))
    attempt = {
        **started(),
        "resumed_from": checkpoint.name if checkpoint else None,
        "ended": None,
        **facts,
    }
    record.attempts.append(attempt)
    folder.write_record(record)
    if files:
        write_data_files(folder.data_files, record.data, files)


@contextlib.contextmanager
def leaving_nothing(folder: RunFolder) -> Iterator[None]:
    """Removes the run folder if it was made inside this context and the input is refused before anything is trained.

    Leaves the folder of another process, which may have begun the same run meanwhile and holds the lock.
    """
    made = [path for path in (folder.path, *folder.path.parents) if not path.exists()]
    try:
        yield
    except Exception as error:
        refused = is_for_users(error) and getattr(error, "exit_status", 2) == 2
        ours = any(Path(lock.name).parent == folder.path for lock in _locks)
        if made and refused and ours and not any(folder.checkpoints.glob("*.ckpt")):
            if wandb.run is not None:
                wandb.finish(2)  # W&B would go on writing there
            shutil.rmtree(folder.path, ignore_errors=True)
            with contextlib.suppress(OSError):
                for path in made[1:]:
                    path.rmdir()
        raise


def _lock(folder: RunFolder) -> None:
    # lockf, not flock: worker processes inherit a flock, and those of a killed run would keep the folder locked.
    file = open(folder.path / ".lock", "w")  # noqa: SIM115
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # any other error means a file system without locks
        raise UserError(f"another process is training in {folder.path}; wait for it or stop it") from None
    _locks.append(file)


def initial_weights(config: dict[str, Any]) -> dict[str, str]:
    """Returns the SHA-256 of the file that `model.init_from` names, for run.json; {} if there is no such file.

    Raises:
        CheckpointError: if the file is a damaged checkpoint.
    """
    source = (config["model"].get("init_args") or {}).get("init_from")
    path = Path(source or "").expanduser()
    # The file may be deleted once training has begun.
    if source is None or not path.is_file():
        return {}
    check_whole("--model.init_from", path)
    with path.open("rb") as file:
        return {"init_from_sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def _refuse_another_run(folder: RunFolder, old: RunRecord | None, new: RunRecord, config: dict[str, Any]) -> None:
    key, now = "init_from_sha256", initial_weights(config)
    began = {attempt.get(key) for attempt in (old.attempts if old else ())} - {None, *now.values()}
    if now and began:
        raise UserError(
            f"{folder.path} holds a run that began from another file of the name that --model.init_from gives "
            f"(SHA-256 {began.pop()[:8]}, now {now[key][:8]}); say --run.id=NAME for a run of its own"
        )
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
        return  # they differ only in options that are newer than the run
    raise UserError(
        f"{folder.path} holds a run with other settings ({'; '.join(changed)}). Say --run.id=NAME for a run of its "
        "own, or give the settings it was started with to continue it"
    )


def _choose(folder: RunFolder, chosen: str | None, first: bool) -> tuple[Path | None, str]:
    checkpoint, bad = newest_good(folder.checkpoints, set_bad_aside=first)
    for line in bad:
        rank_zero_info(line)
    if checkpoint is None:
        where = "the beginning" if chosen is None else f"{chosen}, as --ckpt_path says"
        return None, f"starting from {where}; run folder {folder.path}"
    step = int(checkpoint.stem.rpartition("-")[2])
    return checkpoint, f"resuming from {checkpoint}: step {step}"
