"""Records that commands leave in a folder beside the runs, such as RUNS/geometry, for the report to show."""

import json
import shlex
from collections import Counter
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

    Raises:
        UserError: for a file of another kind, which is not to be replaced.
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
    """The newest record of a study of each run, of the settings and images that most runs have."""
    newest = {
        run: found[-1]
        for run in collection.runs
        if (found := [each for each in run.evaluations(MeasureRecord).values() if each.study == study])
    }
    if not newest:
        return {}
    kinds = {run: json.dumps([record.how, record.data], sort_keys=True) for run, record in newest.items()}
    usual = Counter(kinds.values()).most_common(1)[0][0]
    return {run: record for run, record in newest.items() if kinds[run] == usual}


def by_group(collection: Collection, records: Mapping[Run, MeasureRecord]) -> dict[Group, list[MeasureRecord]]:
    """The records of each network and scheme, by seed."""
    found = {group: [records[run] for run in group.runs if run in records] for group in collection.groups}
    return {group: each for group, each in found.items() if each}
