"""Where the numbers come from: commands, versions and commits of every attempt at every run."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from studies.page.blocks import Details, Section
from studies.page.tables import Column, Linked, Table
from studies.runs.collect import Collection


def study(collection: Collection, output: Path) -> Section:
    """Commits, versions and commands as a section. Writes no file and prints nothing."""
    commands = Details("The command of every run", [_commands(collection)])
    return Section("Where this comes from", [_facts(collection), commands])


def _facts(collection: Collection) -> Table:
    attempts = [attempt for run in collection.runs for attempt in run.record.attempts]
    found: dict[str, Counter[str]] = {name: Counter() for name in ("commit", "host", "devices")}
    for attempt in attempts:
        facts = {name: attempt.get(name) for name in ("commit", "host")} | {"devices": _devices(attempt)}
        for name, value in (facts | _versions(attempt)).items():
            if value:
                found.setdefault(name, Counter())[str(value)] += 1
    rows = [[name, _counted(values)] for name, values in found.items()]
    return Table("", [Column("what"), Column("value")], rows, words=True, terminal=False)


def _versions(attempt: dict[str, Any]) -> dict[str, Any]:
    versions = attempt.get("versions")
    return versions if isinstance(versions, dict) else {}


def _devices(attempt: dict[str, Any]) -> str:
    devices = attempt.get("devices") or ""
    return ", ".join(map(str, devices)) if isinstance(devices, list) else str(devices)


def _counted(counts: Counter[str]) -> str:
    """One value as it is; several with the number of attempts that had them."""
    if len(counts) < 2:
        return next(iter(counts), "not recorded")
    return "; ".join(f"{value} ({count} of {counts.total()} attempts)" for value, count in counts.most_common())


def _commands(collection: Collection) -> Table:
    runs = [(run, run.record.attempts[-1] if run.record.attempts else {}) for run in collection.runs]
    rows = [
        [Linked(run.record.name, run.folder.path), _page(attempt), len(run.record.attempts), _command(attempt)]
        for run, attempt in runs
    ]
    logged = any(page is not None for _, page, *_ in rows)
    columns = [Column("run"), Column("logged", only_csv=not logged), Column("attempts")]
    columns.append(Column("command of the last attempt", code=True))
    return Table("", columns, rows, words=True)


def _page(attempt: dict[str, Any]) -> Linked | None:
    """The run's page, where one was logged."""
    return Linked("W&B", str(attempt["url"])) if attempt.get("url") else None


def _command(attempt: dict[str, Any]) -> str:
    command = attempt.get("command")
    if not command:
        return "not recorded"
    text = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
    # What was recorded is sys.argv, which does not name the interpreter.
    return text if text.split()[0].endswith("python") else f"python {text}"
