"""The runs of a W&B project as run folders, which every study reads like those of this machine.

runs/wandb/ENTITY/PROJECT/
    wandb_mirror.json    says that the folder is one, and which run folders in it are made anew each time
    NAME-ID/             run.json, config.yaml and epochs.csv of a run; W&B holds nothing else of it
"""

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from records import RunFolder, RunFolderError, RunRecord, write_text
from records.errors import UserError
from records.exported import KEY, imported
from records.rows import Row
from studies.runs.collect import SetAside

if TYPE_CHECKING:
    from studies.runs.wandb_project import LoggedRun

ROOT = Path("runs/wandb")
MARKER = "wandb_mirror.json"
STEP = "trainer/global_step"
"""W&B's name, through Lightning, of what epochs.csv calls step."""

FINISHED = "finished"
"""The only state of a run whose numbers are final; the others are running, crashed, failed, killed, preempted, ..."""


def project_path(text: str) -> str:
    """ENTITY/PROJECT as an option's type. Raises ArgumentTypeError if `text` is not of that form."""
    if not re.fullmatch(r"[^/\\]+/[^/\\]+", text) or {".", ".."} & set(text.split("/")):
        raise ArgumentTypeError(f"'{text}' is no W&B project; its form is ENTITY/PROJECT")
    return text


def mirror_folder(project: str) -> Path:
    """Where the run folders of `project` (ENTITY/PROJECT) are made, below the current folder."""
    return ROOT / project


def mirror(runs: Iterable["LoggedRun"], root: Path) -> list[SetAside]:
    """Makes `root` hold the run folders of `runs`, and of no others; returns the runs that it could not make one of.

    Raises:
        UserError: if `root`, or a run folder in it, is there and is not this function's own.
        OSError: if it cannot be written.
    """
    earlier = _own(root)
    made, set_aside = {}, []
    for run in runs:
        try:
            record, config, rows = rebuild(run)
        except RunFolderError as error:
            set_aside.append(SetAside(root / run.id, str(error), run.url))
            continue
        made[re.sub(r"[^\w.-]+", "_", f"{record.name}-{run.id}")] = (record, config, rows)
    if foreign := [name for name in made if name not in earlier and (root / name).exists()]:
        raise UserError(f"{root / foreign[0]} is there already, and not made from W&B; move it to another folder")
    # First the claim, then the folders: stopped in between, the next time still knows what is its own.
    _claim(root, {*earlier, *made})
    for name in earlier - made.keys():
        _remove(RunFolder(root / name))
    for name, (record, config, rows) in made.items():
        _write(RunFolder(root / name), record, config, rows)
    _claim(root, made)
    return set_aside


def rebuild(run: "LoggedRun") -> tuple[RunRecord, str, list[Row]]:
    """The record, the text of config.yaml and the rows of a run.

    Raises:
        RunFolderError: if W&B does not hold the whole of it; the message says what is wrong.
    """
    if KEY not in run.config:
        raise RunFolderError(f"no run of this program, or of a version that did not log its record ({run.name})")
    record, config, epochs = imported(run.config[KEY])
    rows = rows_of(run.history)
    # Whether it came to its end is for both to say: the program, and W&B that nothing of it is still under way.
    record.finished = record.finished and run.state == FINISHED
    if record.finished and len(rows) != epochs:
        raise RunFolderError(f"its history holds {len(rows)} epochs, the run recorded {epochs}")
    if record.attempts:
        record.attempts[-1]["url"] = run.url
    return record, config, rows


def rows_of(history: Iterable[dict[str, Any]]) -> list[Row]:
    """The rows of epochs.csv, from 0 on without a gap, from the entries of a whole history.

    Raises:
        RunFolderError: if an epoch is missing, is there twice, or holds what is no number.
    """
    # Lightning logs entries of its own, such as learning rates by step; an epoch's row alone holds its duration.
    entries = [entry for entry in history if entry.get("epoch") is not None and entry.get("seconds") is not None]
    rows = [_row(entry) for entry in sorted(entries, key=lambda entry: entry["epoch"])]
    for expected, row in enumerate(rows):
        if row["epoch"] > expected:
            raise RunFolderError(f"epoch {expected} is missing in its history")
        if row["epoch"] < expected:
            raise RunFolderError(f"epoch {row['epoch']} is there twice in its history")
    return rows


def _row(entry: dict[str, Any]) -> Row:
    # W&B gives no order to the columns; this is the order of a run folder.
    names = sorted(entry, key=lambda name: (name != "lr", name == "seconds", name))
    values = [name for name in names if name not in ("epoch", STEP) and not name.startswith("_")]
    try:
        row: Row = {"epoch": int(entry["epoch"]), "step": int(entry[STEP])}
        # NaN and infinities come as words.
        return row | {name: float(entry[name]) for name in values if entry[name] is not None}
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"epoch {entry['epoch']} of its history is damaged ({error!r})") from None


def _own(root: Path) -> set[str]:
    """Names of the run folders in `root` that were made by this module."""
    if not root.exists():
        return set()
    try:
        return set(json.loads((root / MARKER).read_text())["runs"])
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{root} is there already, and not made from W&B ({MARKER} is missing or damaged); move it elsewhere"
        ) from None


def _claim(root: Path, names: Iterable[str]) -> None:
    root.mkdir(parents=True, exist_ok=True)
    write_text(root / MARKER, json.dumps({"runs": sorted(names)}, indent=1) + "\n")


def _write(folder: RunFolder, record: RunRecord, config: str, rows: list[Row]) -> None:
    folder.write_record(record)
    write_text(folder.config, config)
    folder.write_rows(rows)


def _remove(folder: RunFolder) -> None:
    """Removes what `_write` wrote, and the folder if nothing else is in it."""
    for path in (folder.record_file, folder.config, folder.epochs):
        path.unlink(missing_ok=True)
    if folder.path.is_dir() and not any(folder.path.iterdir()):
        folder.path.rmdir()
