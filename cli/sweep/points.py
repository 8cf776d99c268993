"""Finds the run folder of each point of a sweep, under whatever id the run was started."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cli.sweep.file import Point
from records import RunFolder, RunFolderError, RunRecord
from records.errors import UserError, in_one_line
from records.rows import Row
from training.identity import current_digest, has_moved

Resolve = Callable[[list[str]], tuple[RunFolder, RunRecord]]
"""Maps arguments of `main.py` to the run that they would start."""


class State(StrEnum):
    """State of a run in the sweep."""

    WAITING = "not started"
    RUNNING = "running"
    FINISHED = "finished"
    SKIPPED = "already finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


# eq=False: runs are hashed by identity, as keys of the display's bars.
@dataclass(eq=False)
class PointRun:
    """A point of the grid and its run.

    Attributes:
        point: point of the sweep file.
        folder: existing run folder, else the one that a start would make.
        record: identity of the run, from the point's settings.
        command: command that starts or continues the run.
        recorded: record in the folder; None before the first start, or if it is damaged.
        problem: message about a damaged record; "" if there is none.
        state: state of the run, which the runner sets.
        reason: why the run failed, in one line.
    """

    point: Point
    folder: RunFolder
    record: RunRecord
    command: list[str]
    recorded: RunRecord | None = None
    problem: str = ""
    state: State = State.WAITING
    reason: str = ""

    def rows(self) -> list[Row]:
        """Returns the rows so far; [] if they cannot be read, because the display must not end a sweep."""
        try:
            return self.folder.read_rows()
        except (RunFolderError, OSError):
            return []


def resolve_points(points: Iterable[Point], resolve: Resolve, where: Path) -> list[PointRun]:
    """Finds the run of every point; starts nothing.

    A run that a W&B agent began in the same `run.root` has another id. It is found by the digest of its settings, and
    its command then gives the id.

    Raises:
        UserError: if a point's arguments are invalid, or two points are the same run or have the same id; names the
            sweep file `where` and the point.
    """
    runs: list[PointRun] = []
    seen: dict[Path | str, Point] = {}
    for point in points:
        with _naming(point, where):
            folder, record = resolve(point.arguments)
        runs.append(PointRun(point, folder, record, point.command))
        todo = "remove the parameter that makes no difference, or give it an effect"
        clashes: dict[Path | str, str] = {folder.path.resolve(): f"are one run, {folder.path}; {todo}"}
        # The default id, from the digest of the settings, differs if the runs differ; a given id may be shared.
        if record.id != record.digest[:8]:
            clashes[record.id] = f"have one id, {record.id}, and W&B would take them for one run; leave run.id out"
        for key, problem in clashes.items():
            if (other := seen.setdefault(key, point)) is not point:
                raise UserError(f"{where}: the points {other.label} and {point.label} {problem}")
    for root in {run.folder.path.parent for run in runs}:
        _look_up([run for run in runs if run.folder.path.parent == root], root)
    return runs


def check_points(runs: Iterable[PointRun], check: Callable[[list[str]], None], where: Path) -> None:
    """Skips runs that are finished, and checks every other point as its start will.

    Raises:
        UserError: if a point would fail; names the sweep file `where` and the point.
    """
    for run in runs:
        with _naming(run.point, where):
            if run.problem:
                raise UserError(run.problem)
            # If the data are in another folder now, only a start of the run can compare them.
            if run.recorded and run.recorded.finished and not has_moved(run.folder, run.recorded, run.record):
                run.state = State.SKIPPED
            else:
                check(run.point.arguments)


@contextlib.contextmanager
def _naming(point: Point, where: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise UserError(f"{where}: point {point.label}: {in_one_line(error)}") from error


def _look_up(runs: Iterable[PointRun], root: Path) -> None:
    """Sets `recorded` and `problem` of the runs below `root`; if a run has another id, its command gets that id."""
    records: dict[Path, RunRecord] = {}
    problems: dict[Path, str] = {}
    for file in root.glob("*/run.json"):
        try:
            records[file.parent] = RunFolder(file.parent).read_record()
        except (RunFolderError, OSError) as error:
            problems[file.parent] = str(error)
    # Of several runs with the same settings the first finished one counts: it is the last, and so wins in `by_digest`.
    ordered = sorted(records, key=lambda path: (not records[path].finished, path), reverse=True)
    by_digest = {
        digest: path
        for path in ordered
        for digest in (records[path].digest, current_digest(RunFolder(path), records[path]))
    }
    for run in runs:
        path = run.folder.path
        other = by_digest.get(run.record.digest) if run.record.digest else None
        if other is not None and path not in records.keys() | problems.keys():
            path, run.command = other, [*run.command, f"--run.id={records[other].id}"]
            run.folder = RunFolder(path)
        run.recorded, run.problem = records.get(path), problems.get(path, "")
