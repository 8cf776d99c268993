"""Selects evaluation records that can be compared: one checkpoint a run, the same images."""

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from evaluation import mean_iou
from records.classification import ClassificationRecord
from records.evaluation import REGULAR, EvaluationRecord
from studies.runs.collect import Collection, Run

BEST, LAST = "best", "last"
"""`best.ckpt`, and the checkpoint of a run's last epoch."""

Record = ClassificationRecord | EvaluationRecord

METRICS = {"val/acc1": "top-1 accuracy", "val/acc5": "top-5 accuracy", "val/miou": "mIoU of whole images"}
"""What can be read from records, by the metric that the runs are compared by."""


@dataclass(frozen=True, eq=False)
class ComparableRecords:
    """Records that can be compared: of one checkpoint a run, on the same images for all runs of a network.

    Attributes:
        of: run and scheme that it was evaluated under, to the record.
        left_out: a sentence for each record of other images.
    """

    checkpoint: str
    of: dict[tuple[Run, str], Record]
    left_out: tuple[str, ...]

    def value(self, run: Run, scheme: str, metric: str) -> float | None:
        """`metric` in percent, or None where there is no record."""
        record = self.of.get((run, scheme))
        return None if record is None else value_of(record, metric)


def margin_of(record: Record) -> int:
    """Pixels of real context around the images; 0 of usual evaluations."""
    return record.data.get("margin", 0)


def comparable_records(collection: Collection, checkpoint: str | None = None, margin: int = 0) -> ComparableRecords:
    """The records of one checkpoint of each run, of images with this margin.

    Args:
        checkpoint: `best`, `last` or the name of a file; None: the best if there is any record of one, else the last.
    """
    records: dict[Run, list[Record]] = {}
    left_out: list[str] = []
    for run in collection.runs:
        every = [*run.evaluations(ClassificationRecord).values(), *run.evaluations(EvaluationRecord).values()]
        records[run] = [record for record in every if margin_of(record) == margin]
    if checkpoint is None:
        there = any(_is_of(record, BEST, run) for run in records for record in records[run])
        checkpoint = BEST if there else LAST
    chosen: dict[tuple[Run, str], Record] = {}
    for network in collection.networks:
        runs = [run for group in collection.of(network) for run in group.runs]
        pairs = [(run, record) for run in runs for record in records[run] if _is_of(record, checkpoint, run)]
        same, others = _same_images(pairs)
        # Of several, such as tests with other tiles, the newest.
        chosen |= {(run, record.padding_at_test): record for run, record in same}
        left_out += [
            f"{run.record.name} under {record.padding_at_test}: evaluated on other images ({record.images} of them)"
            for run, record in others
        ]
    return ComparableRecords(checkpoint, chosen, tuple(left_out))


def value_of(record: Record, metric: str) -> float | None:
    """`metric` in percent as the record has it, or None if it does not."""
    if isinstance(record, ClassificationRecord):
        return {"val/acc1": record.acc1, "val/acc5": record.acc5}.get(metric)
    if metric != "val/miou":
        return None
    miou = 100 * float(mean_iou(torch.tensor(record.confusion[REGULAR]).sum((0, 1))))
    return None if math.isnan(miou) else miou


def _is_of(record: Record, checkpoint: str, run: Run) -> bool:
    if checkpoint == LAST:
        return record.checkpoint != f"{BEST}.ckpt" and record.epoch == len(run.rows) - 1
    return record.checkpoint.removesuffix(".ckpt") == checkpoint.removesuffix(".ckpt")


def _same_images(pairs: Sequence[tuple[Run, Record]]) -> tuple[list, list]:
    """Those of the set of images that most records are of, the newest of several; and the rest."""
    keys = [json.dumps([record.data, record.images], sort_keys=True) for _, record in pairs]
    counts = Counter(keys)
    most = max(counts.values(), default=0)
    newest = {key: number for number, key in enumerate(keys) if counts[key] == most}
    chosen = max(newest, key=newest.get, default=None)
    same = [pair for pair, key in zip(pairs, keys, strict=True) if key == chosen]
    return same, [pair for pair, key in zip(pairs, keys, strict=True) if key != chosen]
