"""Records that commands leave in a folder beside the runs, such as RUNS/geometry, for the report to show."""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from records.checkpoint import MeasureRecord
from records.codec import Record
from records.errors import RecordError, UserError
from studies.runs.collect import Collection, Group, Run

R = TypeVar("R", bound=Record)


def read_measured(folder: Path, kind: type[R]) -> tuple[list[R], list[str]]:
    """The records in a folder and below it, by name, and a sentence for each that is damaged."""
    records, damaged = [], []
    for file in sorted(folder.rglob("*.json")):
        try:
            records.append(kind.read(file))
        except (RecordError, OSError) as error:
            damaged.append(str(error))
    return records, damaged


def read_same(file: Path, kind: type[R], wanted: Mapping[str, Any]) -> R | None:
    """An earlier record of the same measurement; None where there is none, or one of other settings.

    Raises UserError for a file of another kind, which is not to be replaced.
    """
    if not file.exists():
        return None
    try:
        record = kind.read(file)
    except (RecordError, OSError) as error:
        raise UserError(f"{error}; it will not be replaced: move it, or choose another folder with --output") from None
    return record if all(getattr(record, name) == value for name, value in wanted.items()) else None


def facts(provenance: Mapping[str, Any]) -> str:
    """Where a record comes from, in a sentence: command, commit, host and versions."""
    command = shlex.join(["python", *map(str, provenance.get("command", []))])
    versions = ", ".join(f"{name} {number}" for name, number in provenance.get("versions", {}).items() if number)
    known = {"commit": provenance.get("commit"), "started": provenance.get("started"), "host": provenance.get("host")}
    known |= {"devices": ", ".join(map(str, provenance.get("devices") or ())), "threads": provenance.get("threads")}
    return "; ".join([command, *(f"{name} {value}" for name, value in known.items() if value), versions])


def measured_runs(collection: Collection, study: str) -> dict[Run, MeasureRecord]:
    """The newest record of a study of each run, of the checkpoint, settings and images that most runs have.

    Of several that as many runs have, the newest. A run counts with all its records: the first runs of a new
    measurement, stopped, do not lose their old ones.
    """
    found: dict[str, dict[Run, MeasureRecord]] = {}
    newest: dict[str, int] = {}
    for run in collection.runs:
        for file, record in run.evaluations(MeasureRecord).items():
            if record.study == study:
                best = record.checkpoint == "best.ckpt"
                kind = json.dumps([best, record.how, record.data], sort_keys=True)
                found.setdefault(kind, {})[run] = record
                newest[kind] = max(newest.get(kind, 0), file.stat().st_mtime_ns)
    return found[max(found, key=lambda kind: (len(found[kind]), newest[kind]))] if found else {}


def by_group(collection: Collection, records: Mapping[Run, MeasureRecord]) -> dict[Group, list[MeasureRecord]]:
    """The records of each network and scheme, by seed."""
    found = {group: [records[run] for run in group.runs if run in records] for group in collection.groups}
    return {group: each for group, each in found.items() if each}
