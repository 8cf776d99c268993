"""Tests the best checkpoint of every run that has no test with the requested settings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_modules.scene_evaluation import REGULAR, EvaluationSettings, mode_name, share
from records.errors import UserError
from records.evaluation import EvaluationRecord
from studies.checkpoints.evaluate import evaluate
from studies.checkpoints.load import arguments, find_checkpoint, load
from studies.checkpoints.missing import choose_device, evaluate_missing, in_words
from studies.runs.collect import Collection, Run, SetAside
from studies.segmentation.evaluations import BEST_CHECKPOINT, unusable
from training.program import parse

PRECISIONS = {"None": "32-true", "32": "32-true", "64": "64-true", "16": "16-mixed", "bf16": "bf16-mixed"}
"""Maps Lightning's short names of a precision to its long names, which records hold."""


def run_missing(collection: Collection, data_root: Path | None, options: Sequence[str]) -> list[SetAside]:
    """Runs the missing tests one after another, and writes each result at once; returns the runs that failed.

    Raises UserError if the options, of `main.py test`, fit no run, WriteError if a result cannot be written.
    """
    device = choose_device(None)
    moved = data_root is not None or any(option.startswith("--data") for option in options)

    def test(run: Run, scheme: str) -> str | None:
        expected = as_recorded(parse([*arguments(run.folder, find_checkpoint(run.folder, "best"), scheme), *options]))
        known = [record for record in run.evaluations(EvaluationRecord).values() if is_of(record, run, expected)]
        # Whether images in another folder are the same, only the key of the loaded data says.
        if known and not moved:
            return None
        trained = load(run.folder, BEST_CHECKPOINT, scheme, data_root, options, device=device).find_images()
        if any(record.data == trained.data.eval_set_key() for record in known):
            return None
        return in_words(evaluate(trained, in_tiles=True))

    tasks = [(run, run.record.padding) for run in collection.runs]
    failed = evaluate_missing(tasks, test)
    # If no run could be tested, the options are at fault: one message instead of one per run.
    if options and len(failed) == len(tasks):
        raise UserError(str(failed[0]))
    return failed


def is_of(record: EvaluationRecord, run: Run, expected: dict[str, Any]) -> bool:
    """Whether a record is of the run's best checkpoint, tested as `expected`, under the padding of training."""
    if record.checkpoint != BEST_CHECKPOINT or unusable(run, record):
        return False
    found = {**vars(record), "modes": set(record.confusion), "split": record.data.get("split")}
    found["margin"] = record.data.get("margin", 0)
    return all(found[name] == value for name, value in expected.items())


def as_recorded(config: dict[str, Any]) -> dict[str, Any]:
    """The fields that the record of a test with this configuration would have.

    Raises ModelError if an option of the evaluation is wrong.
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
        "margin": config["data"]["init_args"].get("margin") or 0,
    }
