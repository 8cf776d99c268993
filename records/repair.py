"""Renames damaged files of a run folder that training can write again: run.json, epochs.csv and config.yaml.

The rows are in the checkpoints too, and the run's identity follows from its configuration. So a damaged file is no
reason to refuse a resume; it is renamed to `*.bad`.
"""

import json
from collections.abc import Callable
from typing import Any

import yaml

from records.atomic import reading, set_aside
from records.run_folder import RunFolder, RunFolderError, RunRecord

_NOT_READ = (RunFolderError, OSError, ValueError, yaml.YAMLError)


def recorded(folder: RunFolder) -> RunRecord | None:
    """Reads run.json; None if it is damaged or missing. Raises UserError as `records.atomic.reading` does."""
    try:
        with reading(folder.record_file):
            return folder.read_record()
    except _NOT_READ:
        return None


def configuration(folder: RunFolder) -> dict[str, Any] | None:
    """Reads config.yaml; None if it is damaged or missing. Raises UserError as `recorded` does."""
    try:
        return _read_configuration(folder)
    except _NOT_READ:
        return None


def set_damaged_aside(folder: RunFolder) -> tuple[list[dict[str, Any]], list[str]]:
    """Renames the damaged files; the caller must hold the folder's lock.

    Returns:
        The attempts in run.json (those before the damage if it is damaged), and a message for each renamed file.

    Raises:
        UserError: as `recorded`; a file that may be readable later is not renamed.
    """
    old = recorded(folder)
    attempts, lines = old.attempts if old else _attempts(folder), []
    readers: dict[Any, Callable[[], Any]] = {
        folder.record_file: folder.read_record,
        folder.epochs: folder.read_rows,
        folder.config: lambda: _read_configuration(folder),
    }
    for path, read in readers.items():
        try:
            with reading(path):
                if path.is_file():
                    read()
        except _NOT_READ as error:
            reason = " ".join(str(error).split())
            lines.append(f"{path} is set aside as {set_aside(path).name} and written anew: {reason}")
    return attempts, lines


def _read_configuration(folder: RunFolder) -> dict[str, Any]:
    with reading(folder.config):
        content = yaml.safe_load(folder.config.read_text())
    if not isinstance(content, dict):
        raise ValueError(f"{folder.config} holds no settings")
    return content


def _attempts(folder: RunFolder) -> list[dict[str, Any]]:
    if not folder.exists():
        return []
    # JSON that is damaged further on: parsed object by object, up to the first one that does not parse.
    found, rest = [], folder.record_file.read_text(errors="replace").partition('"attempts": [')[2]
    while (rest := rest.lstrip(" \n,")).startswith("{"):
        try:
            attempt, end = json.JSONDecoder().raw_decode(rest)
        except (ValueError, RecursionError):
            break
        found.append(attempt)
        rest = rest[end:]
    return found
