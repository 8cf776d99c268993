"""Writes the runs of a W&B project as run folders, which every study reads like those of this machine.

runs/wandb/ENTITY/PROJECT/
    wandb_mirror.json    marks the folder as a mirror, and names the run folders in it that are rewritten each time
    NAME-ID/             run.json, config.yaml and epochs.csv as saved to W&B, which has no other files of the run
"""

import json
import re
from argparse import ArgumentTypeError
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from records import RunFolder, RunFolderError, RunRecord, write_text
from records.atomic import write_atomically
from records.errors import UserError
from studies.runs.collect import SetAside

if TYPE_CHECKING:
    from studies.runs.wandb_project import LoggedRun

ROOT = Path("runs/wandb")
"""Folder of all mirrors, relative to the current folder; a project's run folders are in ENTITY/PROJECT below it."""

MARKER = "wandb_mirror.json"
NAME = re.compile(r"[\w.-]+")
"""Pattern for the names of the run folders in a mirror."""

FINISHED = "finished"
"""W&B's only state of a run whose numbers are final; others are running, crashed, failed, killed, preempted, ..."""


def project_path(text: str) -> str:
    """ENTITY/PROJECT as an option's type. Raises ArgumentTypeError if `text` is not of that form."""
    if not re.fullmatch(r"[^/\\]+/[^/\\]+", text) or {".", ".."} & set(text.split("/")):
        raise ArgumentTypeError(f"'{text}' is no W&B project; its form is ENTITY/PROJECT")
    return text


def mirror(runs: Iterable["LoggedRun"], root: Path) -> list[SetAside]:
    """Writes the run folders of `runs` into `root`, removing earlier others; returns the runs that have no run folder.

    Raises:
        UserError: `root`, or a run folder in it, exists and was not made by this function.
        WriteError: `root` cannot be written.
    """
    earlier = _own(root)
    made, set_aside = {}, []
    for run in runs:
        try:
            record = checked(run)
        except RunFolderError as error:
            set_aside.append(SetAside(root / run.id, str(error), run.url))
            continue
        # A name may hold any character; the id keeps runs of one name apart.
        made[re.sub(r"[^\w.-]+", "_", f"{record.name}-{run.id}")] = (record, run.folder)
    links = [name for name in sorted(earlier | made.keys()) if (root / name).is_symlink()]
    if foreign := links or [name for name in made if name not in earlier and (root / name).exists()]:
        raise UserError(f"{root / foreign[0]} is there already, and not made from W&B; move it to another folder")
    # The names are written before the folders, so that after an interruption the next call knows which are its own.
    _claim(root, {*earlier, *made})
    for name in earlier - made.keys():
        _remove(RunFolder(root / name))
    for name, (record, downloaded) in made.items():
        _write(RunFolder(root / name), record, downloaded)
    _claim(root, made)
    return set_aside


def checked(run: "LoggedRun") -> RunRecord:
    """Returns the record of a run, with the address of its W&B page, if all of its files are there.

    Raises RunFolderError if W&B lacks a file, or a file is damaged; the message says what is wrong.
    """
    if not run.ours:
        raise RunFolderError(f"no run of this program ({run.name})")
    folder = run.folder
    if missing := [file.name for file in folder.core_files if not file.is_file()]:
        raise RunFolderError(f"W&B holds no {', '.join(missing)} of it: an early version logged it, or it was cut off")
    try:
        record, rows = folder.read_record(), folder.read_rows()
    except RunFolderError as error:
        raise RunFolderError(str(error).replace(f"{folder.path}/", "its ")) from None
    # Finished only if both say so: the program, and W&B, whose state shows whether files may still be on their way.
    record.finished = record.finished and run.state == FINISHED
    if record.finished and run.epochs not in (None, len(rows)):
        raise RunFolderError(f"its epochs.csv holds {len(rows)} epochs, its curves {run.epochs}")
    if record.attempts:
        record.attempts[-1]["url"] = run.url
    return record


def _own(root: Path) -> set[str]:
    """The names of the run folders in `root` that this module has made."""
    if not root.exists():
        return set()
    try:
        names = list(json.loads((root / MARKER).read_text())["runs"])
        # The named folders get deleted, so no name may lead out of `root`.
        if not all(NAME.fullmatch(name) and name.strip(".") for name in names):
            raise ValueError("not the names that `mirror` gives")
        return set(names)
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{root} is there already, and not made from W&B ({MARKER} is missing or damaged); move it elsewhere"
        ) from None


def _claim(root: Path, names: Iterable[str]) -> None:
    write_text(root / MARKER, json.dumps({"runs": sorted(names)}, indent=1) + "\n")


def _write(folder: RunFolder, record: RunRecord, downloaded: RunFolder) -> None:
    folder.write_record(record)
    for source, target in ((downloaded.config, folder.config), (downloaded.epochs, folder.epochs)):
        write_atomically(target, lambda file, source=source: file.write(source.read_bytes()))


def _remove(folder: RunFolder) -> None:
    """Removes what `_write` wrote, and the folder if nothing else is in it."""
    for path in folder.core_files:
        path.unlink(missing_ok=True)
    if folder.path.is_dir() and not any(folder.path.iterdir()):
        folder.path.rmdir()
