"""Evaluates checkpoints under padding schemes, except those whose record the run folder already holds."""

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from records import RunFolder
from records.atomic import check_writable
from records.errors import RecordError, UserError, WriteError, in_one_line
from studies.runs.collect import Run, SetAside
from studies.runs.command import Runs, say

Task = tuple[Run, str]
"""A run, and the scheme to evaluate its checkpoint under."""


@dataclass
class Weights:
    """Options of commands that load trained networks.

    Attributes:
        checkpoint: best, last, or the name of a file in RUN/checkpoints/, such as epoch-089.ckpt
        data_root: folder of the images where they are not where the runs found them
        device: such as cpu or cuda:1; default: a GPU if there is one
    """

    _: KW_ONLY
    checkpoint: str = "best"
    data_root: Path | None = None
    device: str | None = None


@dataclass
class EvaluationOptions(Weights):
    """Options of commands that evaluate trained networks.

    Attributes:
        batch_size: images at a time, of classifiers; default: the run's
    """

    _: KW_ONLY
    batch_size: PositiveInt | None = None


def check_schemes(schemes: Sequence[str]) -> list[str]:
    """`schemes`, each once. Raises UserError if one is unknown."""
    from padding import available_schemes

    if unknown := [scheme for scheme in schemes if scheme not in available_schemes()]:
        raise UserError(f"--schemes: unknown {', '.join(unknown)}; there are {', '.join(available_schemes())}")
    return list(dict.fromkeys(schemes))


def evaluate_and_show(
    runs: Runs, options: EvaluationOptions, tasks: Sequence[Task], study: Callable, nothing: str
) -> int:
    """Evaluates what is missing for `study`, then shows the study; returns the exit status.

    Args:
        study, nothing: as of `run_studies`.
    """
    # Imported late: --help need not wait for scipy.
    from studies.page.terminal import run_studies

    runs.output_folder()  # asked before the evaluation, which takes long
    return run_studies(runs, [study], nothing, evaluate_missing(tasks, options, Console()))


def evaluate_missing(tasks: Sequence[Task], options: EvaluationOptions, console: Console) -> list[SetAside]:
    """Evaluates each task that has no record yet, keeping each result as soon as it is there.

    Returns:
        The runs that could not be evaluated, and why.

    Raises:
        UserError: if the device is none.
        WriteError: if a result cannot be written: the next could not be, either.
    """
    device, failed = choose_device(options.device), []
    with quiet_lightning():
        for number, (run, scheme) in enumerate(tasks, start=1):
            start, which = time.monotonic(), f"[{number}/{len(tasks)}] {run.record.name} under {scheme}"
            try:
                value = evaluate_one(run.folder, scheme, options, device)
            except WriteError:
                raise
            except Exception as error:
                reason = in_one_line(error).replace(f"{run.folder.path}: ", "")
                failed.append(SetAside(run.folder.path, f"not evaluated under {scheme}: {reason}"))
                say(console, f"{which}: not evaluated: {reason}")
            else:
                if value is not None:
                    say(console, f"{which}: {value} ({time.monotonic() - start:.0f} s)")
    return failed


def evaluate_one(folder: RunFolder, scheme: str, options: EvaluationOptions, device: str) -> str | None:
    """Evaluates a checkpoint unless there is a record of it; returns what came out, in words, None for an old record.

    Raises:
        UserError: if it cannot be loaded, or run.
    """
    from records.classification import ClassificationRecord
    from studies.checkpoints.evaluate import evaluate
    from studies.checkpoints.load import find_checkpoint, load
    from studies.runs.comparable import value_of

    path = find_checkpoint(folder, options.checkpoint)
    old = known(folder, path, scheme)
    if old and options.data_root is None:
        return None
    trained = load(folder, path.name, scheme, options.data_root, device=device, batch_size=options.batch_size)
    trained.find_images()
    check_writable(folder.evaluations, "its results could not be kept")
    key = trained.data.eval_set_key()
    same = {file: record for file, record in old.items() if record.data == key}
    if same:
        _note_move(same, trained)
        return None
    record = evaluate(trained)
    if isinstance(record, ClassificationRecord):
        return f"{record.acc1:.3f} % of {record.images} images"
    return f"mIoU {value_of(record, 'val/miou'):.3f} % of {record.images} images"


def known(folder: RunFolder, checkpoint: Path, scheme: str) -> dict:
    """The records of a checkpoint under a scheme by their files, of classification or segmentation."""
    from records.classification import ClassificationRecord
    from records.evaluation import EvaluationRecord, read_evaluations
    from studies.checkpoints.load import read_step

    wanted, step = (checkpoint.name, scheme), None
    found = {}
    for file, record in read_evaluations(folder)[0].items():
        kind = isinstance(record, ClassificationRecord | EvaluationRecord)
        if kind and (record.checkpoint, record.padding_at_test) == wanted and _is_whole(folder, record):
            # A run that was begun anew has other weights under the same name.
            step = read_step(checkpoint) if step is None else step
            found |= {file: record} if record.step == step else {}
    return found


def _is_whole(folder: RunFolder, record) -> bool:
    """Whether the list of images that a classifier's record names can be read."""
    from records.classification import ClassificationRecord, ImageList

    if not isinstance(record, ClassificationRecord):
        return True
    try:
        return len(ImageList.read(folder.evaluations / record.image_list).files) == record.images
    except (OSError, RecordError):
        return False


def _note_move(records: Mapping, trained) -> None:
    """Updates the image folder in records whose images were moved."""
    for file, record in records.items():
        if hasattr(record, "image_folder"):
            now = str(trained.data.eval_files()[0].resolve())
            if record.image_folder != now:
                dataclasses.replace(record, image_folder=now).write(file)


def choose_device(name: str | None) -> str:
    """`name`, or a GPU if there is one. Raises UserError if torch has no such device."""
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return name


@contextlib.contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silences Lightning below warnings: it prints its devices for every network."""
    from training.program import filter_noise

    filter_noise()
    logger = logging.getLogger("pytorch_lightning.utilities.rank_zero")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
