"""Evaluates checkpoints under padding schemes, except those whose record the run folder already holds."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console

from padding.conversion.choice import choose
from records.classification import ClassificationRecord
from records.errors import UserError, WriteError, in_one_line
from records.evaluation import EvaluationRecord
from studies.checkpoints.evaluate import evaluate
from studies.checkpoints.load import Trained, find_checkpoint, load, read_step
from studies.checkpoints.options import VALID, EvaluationOptions
from studies.page.terminal import run_studies
from studies.runs.collect import Run, SetAside
from studies.runs.command import Runs, say
from studies.runs.comparable import METRICS, Record, images_of, margin_of, value_of
from training.program import quiet_lightning

Task = tuple[Run, str]
"""A run, and the scheme to evaluate its checkpoint under."""


def evaluate_and_show(
    runs: Runs,
    options: EvaluationOptions,
    tasks: Sequence[Task],
    study: Callable,
    nothing: str,
    margin: Sequence[str] = (),
) -> int:
    """Evaluates what is missing for `study`, then shows the study; returns the exit status.

    Args:
        study, nothing: study to show, and what to do if it does not apply, as in `run_studies`.
        margin: options of `main.py test` that give the images a margin of real context.
    """
    runs.output_folder()  # raises before the evaluation, which takes long
    settings = {"device": choose_device(options.device), "batch_size": options.batch_size}

    def one(run: Run, scheme: str) -> str | None:
        path = find_checkpoint(run.folder, options.checkpoint)
        old = {file: each for file, each in known(run, path, scheme).items() if bool(margin_of(each)) == bool(margin)}
        # With a margin, only the key of the data says whether margin and image size are those of the record.
        if old and options.data_root is None and not margin:
            return None
        trained = load(run.folder, path.name, scheme, options.data_root, margin, **settings)
        key = trained.find_images().data.eval_set_key()
        if same := {file: record for file, record in old.items() if record.data == key}:
            _note_move(same, trained)
            return None
        return in_words(evaluate(trained))

    return run_studies(runs, [study], nothing, evaluate_missing(tasks, one))


def evaluate_missing(tasks: Sequence[Task], one: Callable[[Run, str], str | None]) -> list[SetAside]:
    """Evaluates each task that has no record yet, and returns the runs that could not be evaluated.

    Args:
        one: evaluates a run under a scheme and writes the record; returns the result in words, None if there was one.

    Raises:
        WriteError: a result cannot be written; the next ones could not be, either.
    """
    console, failed = Console(), []
    with quiet_lightning():
        for number, (run, scheme) in enumerate(tasks, start=1):
            start, which = time.monotonic(), f"[{number}/{len(tasks)}] {run.record.name} under {scheme}"
            try:
                words = one(run, scheme)
            except WriteError:
                raise
            except Exception as error:
                reason = in_one_line(error).replace(f"{run.folder.path}: ", "")
                failed.append(SetAside(run.folder.path, f"not evaluated under {scheme}: {reason}"))
                say(console, f"{which}: not evaluated: {reason}")
            else:
                if words is not None:
                    say(console, f"{which}: {words} ({time.monotonic() - start:.0f} s)")
    return failed


def in_words(record: Record) -> str:
    """The value of a record and its number of images, in words."""
    metric = "val/acc1" if isinstance(record, ClassificationRecord) else "val/miou"
    return f"{METRICS[metric]} {value_of(record, metric):.3f} % of {record.images} images"


def known(run: Run, checkpoint: Path, scheme: str) -> dict[Path, Record]:
    """Finds the records of a checkpoint under a scheme, of classification or segmentation, by their files."""
    records = run.evaluations(ClassificationRecord) | run.evaluations(EvaluationRecord)
    wanted = (checkpoint.name, scheme)
    found = {
        file: record
        for file, record in records.items()
        if (record.checkpoint, record.padding_at_test) == wanted and _is_whole(run, record)
    }
    # A run that was started again has other weights in a file of the same name.
    step = read_step(checkpoint) if found else None
    found = {file: record for file, record in found.items() if record.step == step}
    changed = _changed(scheme) if found and scheme != run.record.padding else 0
    # An older record is of an older version of the user's scheme.
    return {file: record for file, record in found.items() if file.stat().st_mtime >= changed}


def _changed(scheme: str) -> float:
    """The latest mtime of the user's files that define a scheme; 0 if the user defines none of it."""
    rules = () if scheme == VALID else choose(scheme).rules
    return max((file.stat().st_mtime for _, each in rules for file in each.files), default=0)


def _is_whole(run: Run, record: Record) -> bool:
    """Whether the image list of a classifier's record is there and complete; True for records of segmentation."""
    return not isinstance(record, ClassificationRecord) or images_of(run, record) is not None


def _note_move(records: Mapping[Path, Record], trained: Trained) -> None:
    """Updates the image folder in the records of a classifier whose images have moved."""
    for file, record in records.items():
        if isinstance(record, ClassificationRecord):
            now = str(trained.data.eval_files()[0].resolve())
            if record.image_folder != now:
                dataclasses.replace(record, image_folder=now).write(file)


def choose_device(name: str | None) -> str:
    """Returns `name`, or a GPU, if there is one, for None. Raises UserError if torch has no such device."""
    if name is None:
        return str(torch.accelerator.current_accelerator() or "cpu") if torch.accelerator.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return name
