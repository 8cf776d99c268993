"""Where the numbers come from: commands, versions and commits of every attempt at every run."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from studies.page.blocks import Details, Section
from studies.page.tables import Column, Linked, Table
from studies.runs.collect import Collection


def study(collection: Collection, output: Path) -> Section:
    """Returns commits, versions and commands as a section. Writes no file and prints nothing."""
    commands = Details("The command of every run", [_commands(collection)])
    return Section("Where this comes from", [_facts(collection), commands])


def _facts(collection: Collection) -> Table:
    found: dict[str, Counter[str]] = {name: Counter() for name in ("commit", "host", "devices")}
    for attempt in (attempt for run in collection.runs for attempt in run.record.attempts):
        versions = attempt.get("versions")
        facts = {name: attempt.get(name) for name in found} | (versions if isinstance(versions, dict) else {})
        for name, value in facts.items():
            if value:
                shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
                found.setdefault(name, Counter())[shown] += 1
    rows = [[name, _counted(values)] for name, values in found.items()]
    return Table("", [Column("what"), Column("value", words=True)], rows, terminal=False)


def _counted(counts: Counter[str]) -> str:
    """Shows a single value as it is, several with the number of attempts that had each."""
    if len(counts) < 2:
        return next(iter(counts), "not recorded")
    return "; ".join(f"{value} ({count} of {counts.total()} attempts)" for value, count in counts.most_common())


def _commands(collection: Collection) -> Table:
    rows = []
    for run in collection.runs:
        attempts = run.record.attempts
        last = attempts[-1] if attempts else {}
        page = Linked("W&B", str(last["url"])) if last.get("url") else None
        rows.append([Linked(run.record.name, run.folder.path), page, len(attempts), _command(last)])
    logged = any(page is not None for _, page, *_ in rows)
    columns = [Column("run"), Column("logged", only_csv=not logged, words=True), Column("attempts")]
    columns.append(Column("command of the last attempt", code=True, words=True))
    return Table("", columns, rows)


def _command(attempt: dict[str, Any]) -> str:
    command = attempt.get("command")
    if not command:
        return "not recorded"
    text = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
    # The record holds sys.argv, which does not name the interpreter.
    return text if text.partition(" ")[0].endswith("python") else f"python {text}"
