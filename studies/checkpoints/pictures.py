"""Images that a run's results are reported on, at any size, and measurements on them, stored in the run folder."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_modules import SegmentationModule
from records.atomic import check_writable
from records.checkpoint import MeasureRecord
from records.errors import UserError
from studies.checkpoints.images import read_batch
from studies.checkpoints.load import Trained, find_checkpoint, load, read_step
from studies.checkpoints.missing import choose_device, evaluate_missing
from studies.checkpoints.options import EvaluationOptions, Weights
from studies.page.measured import RunsStudy
from studies.page.terminal import run_studies
from studies.runs.collect import Collection, Run, SetAside
from studies.runs.command import Runs
from studies.stats.sample import evenly
from training.provenance import provenance

BATCH = 128
"""Images per batch, unless the options say otherwise."""

CANVASES = ("black", "white", "mean")
"""Colours of images without content."""

Network = Callable[[Tensor], Tensor]
"""Computes logits (N, classes) of normalised images (N, 3, H, W)."""

Measure = Callable[[Trained], tuple[dict[str, list[float | None]], int]]
"""Measures a loaded network; returns the values by name, and the number of images."""


@dataclass(frozen=True)
class Pictures:
    """Image files and their classes, read in batches.

    Attributes:
        size: image side that the network was trained at, in pixels.
        mean, std: mean and standard deviation that normalise images on a scale of 0 to 1.
        batch: images per batch.
        device: device of the batches.
    """

    files: list[str]
    targets: list[int]
    size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch: int = BATCH
    device: str | torch.device = "cpu"

    def squares(self, side: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields normalised (N, 3, side, side) and classes (N,): shorter side resized to `side`, centre cropped."""
        for start in range(0, len(self.files), self.batch):
            chosen = slice(start, start + self.batch)
            images = read_batch(self.files[chosen], side, self.mean, self.std)
            yield images.to(self.device), torch.tensor(self.targets[chosen], device=self.device)

    def colour(self, name: str) -> Tensor:
        """A colour of CANVASES, normalised, (3, 1, 1)."""
        mean, std = torch.tensor(self.mean), torch.tensor(self.std)
        return (({"black": 0.0, "white": 1.0}.get(name, mean) - mean) / std)[:, None, None]


def measure_runs(
    runs: Runs,
    options: EvaluationOptions,
    study: RunsStudy,
    how: Mapping[str, Any],
    count: int | None,
    measure: Callable[[Network, Pictures], dict[str, list[float | None]]],
) -> int:
    """Measures every classification run that has no such record yet, then shows the study; returns the exit status.

    Args:
        how: settings of the study; a record with other settings does not count.
        count: number of images, evenly spaced; None for all.
    """

    def classified(trained: Trained) -> tuple[dict[str, list[float | None]], int]:
        if isinstance(trained.module, SegmentationModule):
            raise UserError("is a run of segmentation; this study is of classifiers")
        pictures = _pictures(trained.find_images(), count, options.batch_size or BATCH)
        return measure(trained.module.network, pictures), len(pictures.files)

    collection, _ = runs.collect(), runs.output_folder()  # raises before the measurement, which takes long
    failed = measure_missing(collection, options, study.name, {**how, "count": count}, classified)
    return run_studies(runs, [study], "no run could be measured", failed)


def measure_missing(
    collection: Collection, options: Weights, name: str, how: Mapping[str, Any], measure: Measure
) -> list[SetAside]:
    """Measures every run that has no such record yet under its own scheme; returns the runs that could not be.

    Args:
        name, how: name of the study, and its settings.
    """
    device = choose_device(options.device)

    def one(run: Run, scheme: str) -> str | None:
        path = find_checkpoint(run.folder, options.checkpoint)
        # Another root may hold other images, so with --data-root old records do not count.
        if options.data_root is None:
            wanted, known = (path.name, read_step(path), name, how), run.evaluations(MeasureRecord).values()
            if any((each.checkpoint, each.step, each.study, each.how) == wanted for each in known):
                return None
        trained = load(run.folder, path.name, scheme, options.data_root, device=device)
        check_writable(run.folder.evaluations, "its results could not be kept")
        with torch.inference_mode():
            values, images = measure(trained)
        record = MeasureRecord(
            **trained.origin,
            padding_at_test=trained.module.scheme,
            precision="32-true",
            data=trained.data.eval_set_key(),
            study=name,
            how=dict(how),
            images=images,
            values=values,
            provenance={**provenance(), "device": device, "command": sys.argv},
        )
        record.write(run.folder.evaluations / record.file_name)
        return f"{name} of {images} images"

    return evaluate_missing([(run, run.record.padding) for run in collection.runs], one)


def _pictures(trained: Trained, count: int | None, batch: int) -> Pictures:
    data, device = trained.data, str(trained.module.device)
    folder, files, targets = data.eval_files()
    numbers = evenly(range(len(files)), len(files) if count is None else count)
    chosen = [str(folder / files[number]) for number in numbers], [targets[number] for number in numbers]
    return Pictures(*chosen, data.image_size, data.mean, data.std, batch, device)
