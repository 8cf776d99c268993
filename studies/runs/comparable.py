"""Selects evaluation records that can be compared: one checkpoint per run, the same images."""

import math
from dataclasses import dataclass

import torch

from evaluation import mean_iou
from records.classification import ClassificationRecord, ImageList
from records.errors import RecordError
from records.evaluation import REGULAR, EvaluationRecord
from studies.runs.collect import Collection, Run
from studies.runs.measured import by_age, of_most_runs

BEST, LAST = "best", "last"
"""`best.ckpt`, and the checkpoint of a run's last epoch."""

Record = ClassificationRecord | EvaluationRecord

METRICS = {"val/acc1": "top-1 accuracy", "val/acc5": "top-5 accuracy", "val/miou": "mIoU of whole images"}
"""Metrics that records hold, with their names in words."""


@dataclass(frozen=True, eq=False)
class ComparableRecords:
    """Records that can be compared: one checkpoint per run, the same images for all runs of a network.

    Attributes:
        of: maps a run and the scheme that it was evaluated under to the record.
        left_out: a sentence for each record of other images.
    """

    checkpoint: str
    of: dict[tuple[Run, str], Record]
    left_out: tuple[str, ...]


def margin_of(record: Record) -> int:
    """Pixels of real context around the images of a record; 0 in usual evaluations."""
    return record.data.get("margin", 0)


def comparable_records(collection: Collection, checkpoint: str | None = None, margin: int = 0) -> ComparableRecords:
    """Selects the records of one checkpoint per run, on images with this margin.

    Args:
        checkpoint: `best`, `last` or the name of a file; None for the best if any record is of one, else the last.
    """
    tested = by_age(collection, ClassificationRecord, EvaluationRecord)
    tested = [(run, record) for run, record in tested if margin_of(record) == margin]
    if checkpoint is None:
        checkpoint = BEST if any(_is_of(*pair, BEST) for pair in tested) else LAST
    tested = [pair for pair in tested if _is_of(*pair, checkpoint)]
    chosen: dict[tuple[Run, str], Record] = {}
    left_out: list[str] = []
    for network in collection.networks:
        own = [pair for pair in tested if pair[0].record.compared_as == network]
        same = of_most_runs(own, lambda record: [record.data, record.images])
        kept = {id(record) for _, record in same}
        # Of several records of a pair, such as tests with other tiles, the last, which is the newest, stays.
        chosen |= {(run, record.padding_at_test): record for run, record in same}
        left_out += [
            f"{run.record.name} under {record.padding_at_test}: evaluated on other images ({record.images} of them)"
            for run, record in own
            if id(record) not in kept
        ]
    return ComparableRecords(checkpoint, chosen, tuple(left_out))


def images_of(run: Run, record: ClassificationRecord) -> ImageList | None:
    """The images that a record of the run is of; None if their list is missing, damaged or not complete."""
    try:
        images = ImageList.read(run.folder.evaluations / record.image_list)
    except (OSError, RecordError):
        return None
    return images if len(images.files) == record.images else None


def value_of(record: Record, metric: str) -> float | None:
    """The value of `metric` in a record, in percent, or None if the record lacks it."""
    if isinstance(record, ClassificationRecord):
        return {"val/acc1": record.acc1, "val/acc5": record.acc5}.get(metric)
    if metric != "val/miou":
        return None
    # Summed over bands and bins of the distance to the border, which leaves all pixels of the images.
    miou = 100 * float(mean_iou(torch.tensor(record.confusion[REGULAR]).sum((0, 1))))
    return None if math.isnan(miou) else miou


def _is_of(run: Run, record: Record, checkpoint: str) -> bool:
    if checkpoint == LAST:
        return record.checkpoint != f"{BEST}.ckpt" and record.epoch == len(run.rows) - 1
    return record.checkpoint.removesuffix(".ckpt") == checkpoint.removesuffix(".ckpt")
