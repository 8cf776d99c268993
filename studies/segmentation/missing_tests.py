"""Runs `main.py test` for every run whose best checkpoint was not tested in the way asked for."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from cli.sweep.process import RunProcess, StopRequest
from lightning_modules.errors import ModelError
from lightning_modules.scene_evaluation import REGULAR, EvaluationSettings, mode_name, share
from records.errors import RecordError, UserError
from records.evaluation import EvaluationRecord
from studies.runs.collect import Collection, Run
from studies.runs.command import say
from studies.segmentation.evaluations import BEST_CHECKPOINT, is_best_epoch, read_whole
from training.program import parse

GRACE = 10.0
"""Seconds between asking a test to end and ending it. It has nothing to save: its file is written whole at its end."""

POLL = 0.2
"""Seconds between two looks at a running test."""

PRECISIONS = {"None": "32-true", "32": "32-true", "64": "64-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""Lightning's short words for a precision, and its own ones."""


@dataclass(frozen=True)
class Test:
    """A test that is to be run.

    Attributes:
        run: whose best checkpoint is tested.
        command: that does it.
        lacking: the file without which it cannot be done, if one is missing.
    """

    run: Run
    command: tuple[str, ...]
    lacking: Path | None = None


def run_missing(console: Console, collection: Collection, options: Sequence[str]) -> int:
    """Runs the missing tests one after another; returns the exit status: 0, 1 if some failed, 128 + a signal's number.

    A test keeps its file in the run's folder when it ends, so that after an interruption the same command continues.

    Args:
        options: of `main.py test`, such as `--model.evaluation.tile_size=512`.

    Raises:
        UserError: if an option is wrong.
    """
    tests = list(missing(collection, options))
    say(console, f"{len(collection.runs)} runs, {len(collection.runs) - len(tests)} tested already")
    failed = 0
    with StopRequest() as stop:
        for number, test in enumerate(tests, start=1):
            say(console, f"test {number} of {len(tests)}: {test.run.record.name}")
            problem = _run(test, stop)
            if stop.count:
                say(console, "Interrupted. The same command started again continues.")
                return stop.exit_status
            if problem:
                failed += 1
                say(console, f"failed: {test.run.folder.path}: {problem}")
    return int(failed > 0)


def missing(collection: Collection, options: Sequence[str]) -> Iterator[Test]:
    """The tests of best checkpoints that no file in the runs' `evaluations/` is from."""
    for run in collection.runs:
        best = run.folder.checkpoints / BEST_CHECKPOINT
        arguments = ["test", f"--config={run.folder.config}", "--trainer.logger=false", *options, f"--ckpt_path={best}"]
        command = (sys.executable, str(Path(__file__).parents[2] / "main.py"), *arguments)
        if not run.folder.config.is_file():
            yield Test(run, command, run.folder.config)
            continue
        try:
            expected = as_recorded(parse(arguments))
        except (UserError, ModelError) as error:
            raise UserError(f"{run.folder.path}: {error}") from None
        if not any(is_of(record, run, expected) for record in records(run)):
            yield Test(run, command, None if best.is_file() else best)


def records(run: Run) -> Iterator[EvaluationRecord]:
    """The run's evaluations; a damaged one counts as missing."""
    for file in run.folder.evaluations.glob("*.json"):
        try:
            yield read_whole(file)
        except RecordError:
            continue


def is_of(record: EvaluationRecord, run: Run, expected: dict[str, Any]) -> bool:
    """Whether a record is of the run's best checkpoint, tested as `expected`, under the padding of training."""
    if record.checkpoint != BEST_CHECKPOINT or not is_best_epoch(run, record.epoch):
        return False
    if record.padding_at_test != run.record.padding or set(record.confusion) != expected["modes"]:
        return False
    found = {name: getattr(record, name) for name in expected if name not in ("modes", "split")}
    return record.data.get("split") == expected["split"] and all(found[name] == expected[name] for name in found)


def as_recorded(config: dict[str, Any]) -> dict[str, Any]:
    """What the record of a test with this configuration would say about how it was made.

    Raises:
        ModelError: if an option of the evaluation is wrong.
    """
    settings = EvaluationSettings(**(config["model"]["init_args"].get("evaluation") or {}))
    precision = str(config["trainer"]["precision"])
    return {
        "modes": {REGULAR, *(mode_name(share("overlaps", value)) for value in settings.overlaps)},
        "leave_out": [
            str(proportion) for proportion in sorted(share("leave_out", each) for each in settings.leave_out)
        ],
        "border_scope": settings.border_scope,
        "distance_edges": list(settings.distance_edges),
        "tile_size": settings.tile_size,
        "average": settings.average,
        "precision": PRECISIONS.get(precision, precision),
        "split": config["data"]["init_args"].get("split"),
    }


def _run(test: Test, stop: StopRequest) -> str | None:
    """Runs a test in a process of its own; returns what went wrong, if anything."""
    if test.lacking is not None:
        return f"{test.lacking.relative_to(test.run.folder.path)} is missing"
    try:
        process = RunProcess(test.command, test.run.folder.log, {**os.environ, "PYTHONUNBUFFERED": "1"})
    except OSError as error:
        return f"could not be started: {error}"
    try:
        while process.poll() is None and not stop.count:
            time.sleep(POLL)
        _end(process)
        return process.explain() if process.poll() else None
    finally:
        process.kill()


def _end(process: RunProcess) -> None:
    process.terminate()
    deadline = time.monotonic() + GRACE
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL)
