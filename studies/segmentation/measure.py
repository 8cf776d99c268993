"""Runs `main.py test` for every run whose best checkpoint was not tested in the way asked for."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from lightning_modules.scene_evaluation import REGULAR, EvaluationSettings, mode_name, share
from records.errors import UserError, in_one_line
from records.evaluation import EvaluationRecord
from studies.runs.collect import Collection, Run
from studies.runs.command import say
from studies.runs.process import StopRequest, run_logged
from studies.segmentation.evaluations import BEST_CHECKPOINT, is_best_epoch
from training.program import parse

GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL. A test has nothing to save: its file is written at its end, atomically."""

PRECISIONS = {"None": "32-true", "32": "32-true", "64": "64-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""Lightning's short words for a precision to its own long ones, which records hold."""


@dataclass(frozen=True)
class MissingTest:
    """A test to run.

    Attributes:
        run: whose best checkpoint is tested.
        command: of the test.
        problem: why it cannot be run, if that is known.
    """

    run: Run
    command: tuple[str, ...]
    problem: str = ""


def run_missing(console: Console, collection: Collection, options: Sequence[str]) -> int:
    """Runs the missing tests one after another; returns the exit status: 0, 1 if some failed, 128 + a signal's number.

    A test writes its file into the run's folder when it ends, so after an interruption the same command continues.

    Args:
        options: of `main.py test`, such as `--model.evaluation.tile_size=512`.

    Raises:
        UserError: if an option is wrong.
    """
    tests = missing(collection, options)
    say(console, f"{len(collection.runs)} runs, {len(collection.runs) - len(tests)} tested already")
    failed = 0
    with StopRequest() as stop:
        for number, test in enumerate(tests, start=1):
            say(console, f"test {number} of {len(tests)}: {test.run.record.name}")
            problem = run(test, stop)
            if stop.count:
                say(console, "Interrupted. The same command started again continues.")
                return stop.exit_status
            if problem:
                failed += 1
                say(console, f"failed: {test.run.folder.path}: {problem}")
    return int(failed > 0)


def missing(collection: Collection, options: Sequence[str]) -> list[MissingTest]:
    """The tests of best checkpoints that no file in the runs' `evaluations/` is from.

    Raises:
        UserError: if the options fit no run.
    """
    tests, refused, fits = [], None, False
    for run in collection.runs:
        best = run.folder.checkpoints / BEST_CHECKPOINT
        arguments = ["test", f"--config={run.folder.config}", "--trainer.logger=false", *options, f"--ckpt_path={best}"]
        command = (sys.executable, str(Path(__file__).parents[2] / "main.py"), *arguments)
        # What cannot be tested is named when its turn comes, for the other runs to be tested.
        if not run.folder.config.is_file():
            tests.append(MissingTest(run, command, "config.yaml is missing"))
            continue
        try:
            expected = as_recorded(parse(arguments))
        except Exception as error:
            tests.append(MissingTest(run, command, in_one_line(error)))
            refused = refused or UserError(f"{run.folder.path}: {tests[-1].problem}")
            continue
        fits = True
        if not any(is_of(record, run, expected) for record in run.evaluations(EvaluationRecord).values()):
            tests.append(MissingTest(run, command, "" if best.is_file() else f"checkpoints/{best.name} is missing"))
    if refused and not fits:
        raise refused
    return tests


def is_of(record: EvaluationRecord, run: Run, expected: dict[str, Any]) -> bool:
    """Whether a record is of the run's best checkpoint, tested as `expected`, under the padding of training."""
    if record.checkpoint != BEST_CHECKPOINT or not is_best_epoch(run, record.epoch):
        return False
    if record.padding_at_test != run.record.padding:
        return False
    found = {**vars(record), "modes": set(record.confusion), "split": record.data.get("split")}
    return all(found[name] == value for name, value in expected.items())


def as_recorded(config: dict[str, Any]) -> dict[str, Any]:
    """The fields that the record of a test with this configuration would have.

    Raises:
        ModelError: if an option of the evaluation is wrong.
    """
    settings = EvaluationSettings(**(config["model"]["init_args"].get("evaluation") or {}))
    precision = str(config["trainer"]["precision"])
    return {
        "modes": {REGULAR, *(mode_name(share("overlaps", value)) for value in settings.overlaps)},
        "leave_out": [str(each) for each in sorted(share("leave_out", each) for each in settings.leave_out)],
        "border_scope": settings.border_scope,
        "distance_edges": list(settings.distance_edges),
        "tile_size": settings.tile_size,
        "average": settings.average,
        "precision": PRECISIONS.get(precision, precision),
        "split": config["data"]["init_args"].get("split"),
    }


def run(test: MissingTest, stop: StopRequest) -> str:
    """Runs a test with the run's log; returns what went wrong, "" for nothing."""
    return test.problem or run_logged(test.command, test.run.folder.log, os.environ, stop, GRACE)
