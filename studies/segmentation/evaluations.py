"""Reads what `test` counted of each run, and sorts it into blocks that can be compared.

A block holds one evaluation of each run, all made with one Setting. Files that fit into no block are named with the
reason: cross tests, and tests of a best.ckpt that training replaced later.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from records import best
from records.evaluation import REGULAR, EvaluationRecord, overlap
from studies.runs.collect import Collection, Run, SetAside, natural

MIOU = "val/miou"
"""The metric that segmentation runs are compared by."""

BEST_CHECKPOINT = "best.ckpt"

NO_OVERLAP = "tiled_0"
"""The way of predicting that Table 7 of the paper takes: tiles without overlap."""

Values = dict[str, float | None]
"""Key of a column to its value in percent; None where no pixel counts."""


@dataclass(frozen=True)
class Setting:
    """How a network was tested. Values of different settings never share a mean or a difference.

    Attributes: as of EvaluationRecord; `modes` are the ways of predicting, `data` the images tested.
    """

    checkpoint: str
    data: tuple[tuple[str, str], ...]
    modes: tuple[str, ...]
    tile_size: int | None
    average: str
    leave_out: tuple[str, ...]
    border_scope: str
    distance_edges: tuple[int, ...]
    precision: str
    network: str
    dilation: str
    class_names: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, record: EvaluationRecord) -> "Setting":
        same = {part.name: getattr(record, part.name) for part in fields(cls) if part.name not in ("data", "modes")}
        return cls(
            data=tuple(sorted((key, str(value)) for key, value in record.data.items())),
            modes=tuple(record.confusion),
            **{name: tuple(value) if isinstance(value, list) else value for name, value in same.items()},
        )

    def words(self) -> dict[str, str]:
        """Each part in words."""
        overlaps = [str(overlap(mode)) for mode in self.modes if mode != REGULAR]
        data = dict(self.data)
        side = "the shorter side" if self.tile_size is None else f"{self.tile_size} pixels"
        return {
            "checkpoint": self.checkpoint,
            "data": f"{data.get('images')} images of split {data.get('split')} ({data.get('files')})",
            "modes": f"tiles that overlap by {', '.join(overlaps)}" if overlaps else "no tiles",
            "tile_size": f"tiles of {side}",
            "average": f"{self.average} averaged",
            "leave_out": f"without the centre of {', '.join(self.leave_out)}",
            "border_scope": "of the image" if self.border_scope == "image" else "of each tile",
            "distance_edges": f"distances from {', '.join(map(str, self.distance_edges))}",
            "precision": self.precision,
            "network": self.network,
            "dilation": self.dilation,
            "class_names": f"{len(self.class_names)} classes",
        }

    def __str__(self) -> str:
        words = self.words()
        words["border_scope"] = f"left-out centres {words['border_scope']}"
        shown = ("checkpoint", "data", "tile_size", "average", "border_scope", "precision")
        return ", ".join(words[part] for part in shown)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A test of one run."""

    run: Run
    record: EvaluationRecord
    file: Path


@dataclass(frozen=True, eq=False)
class Block:
    """Evaluations that can be compared: one network and split, one setting.

    Attributes:
        network: name that runs are compared under.
        setting: of all evaluations.
        test: in words, where the setting differs from others of the same network; "" if it is the only one.
        schemes: each scheme's evaluations by seed, schemes in the order of the paper's tables.
    """

    network: str
    setting: Setting
    test: str
    schemes: dict[str, list[Evaluation]]

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        return tuple(each for found in self.schemes.values() for each in found)

    @property
    def paper_rows(self) -> dict[str, object]:
        """Columns that the paper's rows of this network and split have; the split is 0, 1, 2 or "folders"."""
        first = self.evaluations[0]
        return {"network": first.run.record.network, "split": first.record.data.get("split")}


@dataclass(frozen=True)
class Evaluations:
    """All evaluations of a collection.

    Attributes:
        blocks: by network; for each network first the setting of most runs.
        left_out: files that are in no block, and why not.
        untested: runs without an evaluation in any block.
    """

    blocks: tuple[Block, ...]
    left_out: tuple[SetAside, ...]
    untested: tuple[Run, ...]


def read_evaluations(collection: Collection) -> Evaluations:
    """Sorts every test of the runs; those that cannot be used are named in `left_out`."""
    left_out: list[SetAside] = []
    grouped: dict[tuple[str, Setting], list[Evaluation]] = defaultdict(list)
    for run in collection.runs:
        for setting, evaluation in _of_run(run, left_out).items():
            grouped[run.record.compared_as, setting].append(evaluation)
    keys = sorted(grouped, key=lambda key: (natural(key[0]), -len(grouped[key]), str(key[1])))
    blocks = []
    for network, setting in keys:
        # The runs come by scheme and seed, as the tables have them.
        schemes: dict[str, list[Evaluation]] = {}
        for evaluation in grouped[network, setting]:
            schemes.setdefault(evaluation.run.record.padding, []).append(evaluation)
        # Only settings of the same network need telling apart in its title.
        others = [other for name, other in keys if name == network]
        blocks.append(Block(network, setting, _apart(setting, others), schemes))
    tested = {evaluation.run for found in grouped.values() for evaluation in found}
    return Evaluations(tuple(blocks), tuple(left_out), tuple(run for run in collection.runs if run not in tested))


def _of_run(run: Run, left_out: list[SetAside]) -> dict[Setting, Evaluation]:
    chosen: dict[Setting, Evaluation] = {}
    for file, record in sorted(run.evaluations(EvaluationRecord).items()):
        evaluation = Evaluation(run, record, file)
        reason = _unusable(evaluation)
        if reason is None and (first := chosen.setdefault(Setting.of(record), evaluation)) is not evaluation:
            reason = f"holds the same test as {first.file.name}"
        if reason is not None:
            left_out.append(SetAside(file, reason))
    return chosen


def _unusable(evaluation: Evaluation) -> str | None:
    record, run = evaluation.record, evaluation.run
    if record.padding_at_test != record.padding:
        return f"is a cross test, trained with {record.padding} and tested with {record.padding_at_test} padding"
    # Training that goes on overwrites best.ckpt; the record of the earlier one stays.
    if record.checkpoint == BEST_CHECKPOINT and not is_best_epoch(run, record.epoch):
        return f"is of the best checkpoint at the time, of epoch {record.epoch + 1}; a later epoch is better"
    return None


def is_best_epoch(run: Run, epoch: int) -> bool:
    """Whether no epoch of the run is better than `epoch`, counted from 0."""
    return run.curve(run.record.monitor).get(epoch) == best(run.rows, run.record.monitor)


def _apart(setting: Setting, settings: Sequence[Setting]) -> str:
    """The parts of `setting` in which the settings differ, in words."""
    parts = [part.name for part in fields(Setting) if len({getattr(each, part.name) for each in settings}) > 1]
    words = setting.words()
    return ", ".join(words[part] for part in parts)


# Values from the confusion matrices, as sections 4.2 and 4.2.1 of Partial Convolution based Padding define them
# (https://arxiv.org/abs/1811.11718). `evaluation` is imported late: it brings in torch, which a report of classifiers
# need not wait for.


def tile_values(record: EvaluationRecord) -> Values:
    """Table 6: each way of predicting, such as `regular` and `tiled_1-3`, to the mIoU of all pixels."""
    from evaluation import mean_iou

    return {mode: _percent(mean_iou(counts.sum((0, 1)))) for mode, counts in _confusions(record).items()}


def border_values(record: EvaluationRecord) -> Values:
    """Table 7: `regular`, and each left-out proportion to the mIoU of the remaining pixels in tiles without overlap.

    Empty without that tiling.
    """
    from evaluation import leave_out_miou

    if NO_OVERLAP not in record.confusion:
        return {}
    kept = leave_out_miou(_confusions(record)[NO_OVERLAP].sum(1))
    values = {share: _percent(value) for share, value in zip(record.leave_out, kept, strict=True)}
    return {REGULAR: tile_values(record)[REGULAR], **values}


def distance_values(record: EvaluationRecord, mode: str) -> list[float | None]:
    """mIoU by distance to the nearest border, a value a bin."""
    from evaluation import distance_curve

    return [_percent(each.miou) for each in distance_curve(_confusions(record)[mode].sum(0), record.distance_edges)]


def _confusions(record: EvaluationRecord) -> dict:
    """Each way of predicting to its counts, a tensor (bands, bins, C, C), int64."""
    import torch

    return {mode: torch.as_tensor(counts, dtype=torch.int64) for mode, counts in record.confusion.items()}


def _percent(share: float) -> float | None:
    """None where no pixel counts."""
    return None if math.isnan(share) else 100 * share
