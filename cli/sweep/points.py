"""The points of a sweep as runs: the run folder of each, under whatever id the run was started."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cli.sweep.file import Point
from records import RunFolder, RunFolderError, RunRecord
from records.errors import UserError, in_one_line, is_for_users
from records.rows import Row
from training.identity import current_digest

Resolve = Callable[[list[str]], tuple[RunFolder, RunRecord]]
"""Arguments of `main.py` to the run that they start, without starting it."""


class State(StrEnum):
    """State of a run in the sweep."""

    WAITING = "not started"
    RUNNING = "running"
    FINISHED = "finished"
    SKIPPED = "already finished"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


@dataclass(eq=False)
class PointRun:
    """A point of the grid and its run.

    Attributes:
        point: of the sweep file.
        folder: of the run: the one that is there, else the one that a start would make.
        record: identity of the run, from the point's settings.
        command: starts or continues the run.
        recorded: the folder's own record; None before the first start, or where it is damaged.
        problem: what is damaged.
        state: set by the runner.
        reason: why the run failed, in one line.
    """

    point: Point
    folder: RunFolder
    record: RunRecord
    command: tuple[str, ...]
    recorded: RunRecord | None = None
    problem: str = ""
    state: State = State.WAITING
    reason: str = ""

    def rows(self) -> list[Row]:
        """The epochs so far; none where they cannot be read, because a display must not end a sweep."""
        try:
            return self.folder.read_rows()
        except (RunFolderError, OSError):
            return []


def resolve_points(points: Iterable[Point], resolve: Resolve, where: Path) -> list[PointRun]:
    """Every point with its run; nothing is started.

    A run that a W&B agent began in the same `run.root` has another id. It is found by the digest of its settings, and
    its command names its id.

    Raises:
        UserError: if a point's arguments are invalid, or two points are one run or have one id. It names the sweep
            file `where` and the point.
    """
    runs: dict[Path, PointRun] = {}
    ids: dict[str, PointRun] = {}
    for point in points:
        try:
            folder, record = resolve(list(point.arguments))
        except Exception as error:
            if not is_for_users(error):
                raise
            raise UserError(f"{where}: point {point.label}: {error}") from None
        run = runs.setdefault(folder.path.resolve(), PointRun(point, folder, record, point.command))
        if run.point is not point:
            raise UserError(
                f"{where}: the points {run.point.label} and {point.label} are one run, {folder.path}; "
                "remove the parameter that makes no difference, or give it an effect"
            )
        # An id of its settings, the default, is the run's own.
        if record.id != record.digest[:8] and (other := ids.setdefault(record.id, run)) is not run:
            raise UserError(
                f"{where}: the points {other.point.label} and {point.label} have one id, {record.id}, and W&B would "
                "take them for one run; leave run.id out"
            )
    for root in {run.folder.path.parent for run in runs.values()}:
        _look_up([run for run in runs.values() if run.folder.path.parent == root], root)
    return list(runs.values())


def check_points(runs: Iterable[PointRun], check: Callable[[list[str]], None], where: Path) -> None:
    """Checks every point as its start will; raises UserError, naming the sweep file `where` and the point."""
    for run in runs:
        try:
            check(list(run.point.arguments))
        except Exception as error:
            raise UserError(f"{where}: point {run.point.label}: {in_one_line(error)}") from error


def _look_up(runs: Iterable[PointRun], root: Path) -> None:
    """Sets `recorded` and `problem` of the runs below `root`, and the id that a run was started under."""
    records: dict[Path, RunRecord] = {}
    problems: dict[Path, str] = {}
    for file in root.glob("*/run.json"):
        try:
            records[file.parent] = RunFolder(file.parent).read_record()
        except (RunFolderError, OSError) as error:
            problems[file.parent] = str(error)
    # Of several with the same settings, the first finished one: the last to be put in wins.
    ordered = sorted(records, key=lambda path: (not records[path].finished, path), reverse=True)
    by_digest = {
        digest: path
        for path in ordered
        for digest in (records[path].digest, current_digest(RunFolder(path), records[path]))
    }
    for run in runs:
        path = run.folder.path
        other = by_digest.get(run.record.digest) if run.record.digest else None
        if other is not None and path not in records and path not in problems:
            run.folder, run.command = RunFolder(other), (*run.command, f"--run.id={records[other].id}")
        run.recorded, run.problem = records.get(run.folder.path), problems.get(path, "")
