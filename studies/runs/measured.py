"""Reads what commands measured: records in a folder beside the runs, such as RUNS/geometry, and in the run folders."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from records.checkpoint import MeasureRecord
from records.codec import Record
from records.errors import RecordError, UserError
from studies.runs.collect import Collection, Group, Run

R = TypeVar("R", bound=Record)


def read_measured(folder: Path, kind: type[R]) -> tuple[list[R], list[str]]:
    """Reads the records in and below a folder, by name; returns them, and a sentence for each damaged one."""
    records, damaged = [], []
    for file in sorted(folder.rglob("*.json")):
        try:
            records.append(kind.read(file))
        except (RecordError, OSError) as error:
            damaged.append(str(error))
    return records, damaged


def read_same(file: Path, kind: type[R], wanted: Mapping[str, Any]) -> R | None:
    """Reads an earlier record of the same measurement; None if there is none, or if its settings differ.

    Raises UserError if the file is of another kind, and so must not be replaced.
    """
    if not file.exists():
        return None
    try:
        record = kind.read(file)
    except (RecordError, OSError) as error:
        raise UserError(f"{error}; it will not be replaced: move it, or choose another folder with --output") from None
    return record if all(getattr(record, name) == value for name, value in wanted.items()) else None


def facts(provenance: Mapping[str, Any]) -> str:
    """One line on the origin of a record: command, commit, host and versions."""
    command = shlex.join(["python", *map(str, provenance.get("command", []))])
    versions = ", ".join(f"{name} {number}" for name, number in provenance.get("versions", {}).items() if number)
    known = {"commit": provenance.get("commit"), "started": provenance.get("started"), "host": provenance.get("host")}
    known |= {"devices": ", ".join(map(str, provenance.get("devices") or ())), "threads": provenance.get("threads")}
    return "; ".join([command, *(f"{name} {value}" for name, value in known.items() if value), versions])


def measured_runs(collection: Collection, study: str) -> tuple[dict[Run, MeasureRecord], list[str]]:
    """Selects the newest comparable record of a study of each run; and a sentence for each run with only other records.

    All records have the kind of checkpoint and the settings that most runs have, and within a network the images that
    most of its runs have: networks may differ in the size of their images.
    """
    pairs = [(run, record) for run, record in by_age(collection, MeasureRecord) if record.study == study]
    alike = of_most_runs(pairs, lambda record: [record.checkpoint == "best.ckpt", record.how])
    found: dict[Run, MeasureRecord] = {}
    for network in collection.networks:
        own = [pair for pair in alike if pair[0].record.compared_as == network]
        found |= dict(of_most_runs(own, lambda record: record.data))
    others = dict.fromkeys(run.record.name for run, _ in pairs if run not in found)
    return found, [f"{name}: {study} was measured with other settings or images than of most runs" for name in others]


def by_age(collection: Collection, *kinds: type[R]) -> list[tuple[Run, R]]:
    """Every record of these kinds in the runs' folders, with its run, oldest first."""
    files = [
        (file.stat().st_mtime_ns, run, record)
        for run in collection.runs
        for kind in kinds
        for file, record in run.evaluations(kind).items()
    ]
    return [(run, record) for _, run, record in sorted(files, key=lambda each: each[0])]


def of_most_runs(pairs: Sequence[tuple[Run, R]], key: Callable[[R], Any]) -> list[tuple[Run, R]]:
    """Selects the pairs with the key that most runs have, oldest first; in a tie, the key of most schemes at test, then
    that of the newest record.

    A run counts for the keys of all its records, so neither a new measurement that was stopped early, nor one under
    fewer schemes, replaces a complete older one.
    """
    found: dict[str, list[tuple[Run, R]]] = {}
    for run, record in pairs:
        text = json.dumps(key(record), sort_keys=True)
        # Inserted again, so that the last key is the key of the newest record.
        found[text] = [*found.pop(text, []), (run, record)]

    def size(pairs: Sequence[tuple[Run, R]]) -> tuple[int, int]:
        return len({run for run, _ in pairs}), len({(run, record.padding_at_test) for run, record in pairs})

    return max(reversed(found.values()), key=size, default=[])


def by_group(collection: Collection, records: Mapping[Run, MeasureRecord]) -> dict[Group, list[MeasureRecord]]:
    """Maps each network and scheme to its records, in the order of the seeds."""
    found = {group: [records[run] for run in group.runs if run in records] for group in collection.groups}
    return {group: each for group, each in found.items() if each}
