"""Where the numbers come from: commands, versions and commits of every attempt at every run."""

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

from studies.page import html
from studies.page.section import Section
from studies.runs.collect import Collection, Run


def study(collection: Collection, output: Path) -> Section:
    """Commits, versions and commands as a section. Writes no file and prints nothing."""
    body = _facts(collection) + html.details("The command of every run", _commands(collection, output))
    return Section("Where this comes from", body)


def _facts(collection: Collection) -> str:
    attempts = [attempt for run in collection.runs for attempt in run.record.attempts]
    rows = [["commit", _counted(Counter(str(attempt["commit"]) for attempt in attempts if attempt.get("commit")))]]
    rows.append(["host", _counted(Counter(str(attempt["host"]) for attempt in attempts if attempt.get("host")))])
    rows.append(["devices", _counted(Counter(_devices(attempt) for attempt in attempts if attempt.get("devices")))])
    packages: dict[str, Counter[str]] = {}
    for attempt in attempts:
        for package, version in _versions(attempt).items():
            packages.setdefault(package, Counter())[str(version)] += 1
    rows += [[html.escape(package), _counted(counts)] for package, counts in packages.items()]
    return html.table(["what", "value"], rows, kind="text")


def _versions(attempt: dict[str, Any]) -> dict[str, Any]:
    versions = attempt.get("versions")
    return versions if isinstance(versions, dict) else {}


def _devices(attempt: dict[str, Any]) -> str:
    devices = attempt["devices"]
    return ", ".join(map(str, devices)) if isinstance(devices, list) else str(devices)


def _counted(counts: Counter[str]) -> str:
    """One value as it is; several with the number of attempts that had them."""
    if not counts:
        return "not recorded"
    if len(counts) == 1:
        return html.escape(next(iter(counts)))
    return html.escape(
        "; ".join(f"{value} ({count} of {counts.total()} attempts)" for value, count in counts.most_common())
    )


def _commands(collection: Collection, output: Path) -> str:
    rows = [[_links(run, output), str(len(run.record.attempts)), _command(run)] for run in collection.runs]
    return html.table(["run", "attempts", "command of the last attempt"], rows, kind="text")


def _links(run: Run, output: Path) -> str:
    """The run's folder and, where one was logged, its page."""
    url = str(run.record.attempts[-1].get("url") or "") if run.record.attempts else ""
    page = f" ({html.link_outside('W&B', url)})" if url else ""
    return html.link(run.record.name, run.folder.path, output) + page


def _command(run: Run) -> str:
    command = run.record.attempts[-1].get("command") if run.record.attempts else None
    if not command:
        return "not recorded"
    text = shlex.join(map(str, command)) if isinstance(command, list) else str(command)
    # What was recorded is sys.argv, which does not name the interpreter.
    text = text if text.split()[0].endswith("python") else f"python {text}"
    return f"<code>{html.escape(text)}</code>"
