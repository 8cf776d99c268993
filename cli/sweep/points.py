"""The points of a sweep as runs: which folder each has, under whatever id it was started."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from cli.sweep.file import Point
from records import RunFolder, RunFolderError, RunRecord
from records.errors import UserError

Resolve = Callable[[list[str]], tuple[RunFolder, RunRecord]]
"""Arguments of `main.py` to the run that they start, without starting it."""


@dataclass(frozen=True)
class PointRun:
    """A point of the grid and its run.

    Attributes:
        point: of the sweep file.
        folder: of the run: the one that is there, else the one that a start would make.
        record: who the run is, from the point's settings; what was recorded of it is in the folder.
        command: that starts or continues it.
    """

    point: Point
    folder: RunFolder
    record: RunRecord
    command: tuple[str, ...]


def resolve_points(points: Iterable[Point], resolve: Resolve, where: Path) -> list[PointRun]:
    """Every point with its run; nothing is started.

    A run has the same settings under whatever id it was started: one that a W&B agent began in the same `run.root` is
    found by the digest of its settings, and its command names its id.

    Raises:
        UserError: if a point's arguments are invalid or two points are one run. It names the sweep file `where` and the
            point.
    """
    runs: list[PointRun] = []
    taken: dict[Path, Point] = {}
    for point in points:
        try:
            folder, record = resolve(list(point.arguments))
        except UserError as error:
            raise UserError(f"{where}: point {point.label}: {error}") from None
        if (other := taken.setdefault(folder.path.resolve(), point)) is not point:
            raise UserError(
                f"{where}: the points {other.label} and {point.label} are one run, {folder.path}; "
                "remove the parameter that makes no difference, or give it an effect"
            )
        runs.append(PointRun(point, folder, record, point.command))
    return _with_other_ids(runs)


def _with_other_ids(runs: list[PointRun]) -> list[PointRun]:
    known = {root: _by_digest(root) for root in {run.folder.path.parent for run in runs}}
    return [_found(run, known[run.folder.path.parent].get(run.record.digest, [])) for run in runs]


def _by_digest(root: Path) -> dict[str, list[tuple[RunFolder, RunRecord]]]:
    """The runs whose folders lie in `root`, by the digest of their settings; finished ones first."""
    found: dict[str, list[tuple[RunFolder, RunRecord]]] = {}
    for file in sorted(root.glob("*/run.json")):
        folder = RunFolder(file.parent)
        try:
            record = folder.read_record()
        except RunFolderError:
            continue  # if it is a point's own, whoever reads the point says so
        found.setdefault(record.digest, []).append((folder, record))
    return {digest: sorted(runs, key=lambda run: not run[1].finished) for digest, runs in found.items() if digest}


def _found(run: PointRun, candidates: list[tuple[RunFolder, RunRecord]]) -> PointRun:
    if run.folder.exists() or not candidates:
        return run
    folder, record = candidates[0]
    return PointRun(run.point, folder, run.record, (*run.command, f"--run.id={record.id}"))
