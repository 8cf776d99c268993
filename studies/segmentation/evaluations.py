"""Reads the records of `test` of each run, and sorts them into blocks that can be compared.

A block holds one evaluation per run, all made in one way. Files that fit into no block are named with the reason:
cross tests, and tests of a best.ckpt that training replaced later.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from evaluation import distance_miou, leave_out_miou, mean_iou
from records import best
from records.evaluation import REGULAR, EvaluationRecord, overlap
from studies.runs.collect import REFERENCE, Collection, Run, SetAside, natural
from studies.stats.intervals import Comparison, compare

MIOU = "val/miou"
"""The metric that segmentation runs are compared by."""

BEST_CHECKPOINT = "best.ckpt"

NO_OVERLAP = "tiled_0"
"""The way of predicting in Table 7 of the paper: tiles without overlap."""

Values = dict[str, float | None]
"""Maps the key of a column to its value in percent; None if no pixel counts."""

Scores = dict[str, dict[Run, Values]]
"""Maps a scheme to its runs, in the order of the seeds, and these to their values."""


@dataclass(frozen=True, eq=False)
class Block:
    """Evaluations that can be compared: one network and split, tested in one way.

    Attributes:
        network: name that the runs are compared under.
        setting: settings of the tests, as returned by `setting_of`.
        test: parts of the setting that differ from others of the same network, in words; "" if it is the only one.
        schemes: runs of each scheme, by seed, with their records; schemes in the order of the paper's tables.
    """

    network: str
    setting: dict[str, str]
    test: str
    schemes: dict[str, dict[Run, EvaluationRecord]]

    @property
    def first(self) -> tuple[Run, EvaluationRecord]:
        """One run and its record, which stand for what all runs have in common."""
        return next((run, record) for tested in self.schemes.values() for run, record in tested.items())

    @property
    def words(self) -> str:
        """The settings of the tests, as a line below the tables."""
        shown = ("checkpoint", "data", "tile_size", "average", "border_scope", "precision")
        return ", ".join(self.setting[part] for part in shown)

    def scores(self, of: Callable[[EvaluationRecord], Values]) -> Scores:
        """The result of `of` for each record."""
        return {scheme: {run: of(each) for run, each in tested.items()} for scheme, tested in self.schemes.items()}


@dataclass(frozen=True)
class Evaluations:
    """All evaluations of a collection.

    Attributes:
        blocks: blocks by network; within a network, the setting of most runs first.
        left_out: files that are in no block, each with the reason.
        untested: runs without an evaluation in any block.
    """

    blocks: tuple[Block, ...]
    left_out: tuple[SetAside, ...]
    untested: tuple[Run, ...]


def read_evaluations(collection: Collection) -> Evaluations:
    """Sorts all tests of the runs into blocks; those that cannot be used are named in `left_out`."""
    left_out: list[SetAside] = []
    grouped: dict[tuple, dict[Run, EvaluationRecord]] = defaultdict(dict)
    for run in collection.runs:
        own: dict[tuple, str] = {}
        for file, record in sorted(run.evaluations(EvaluationRecord).items()):
            setting = tuple(setting_of(record).items())
            reason = unusable(run, record) or (setting in own and f"holds the same test as {own[setting]}")
            if reason:
                left_out.append(SetAside(file, reason))
                continue
            own[setting] = file.name
            grouped[run.record.compared_as, setting][run] = record
    keys = sorted(grouped, key=lambda key: (natural(key[0]), -len(grouped[key]), key[1]))
    blocks = []
    for network, setting in keys:
        # The runs are in the order of schemes and seeds already, as in the tables.
        schemes: dict[str, dict[Run, EvaluationRecord]] = defaultdict(dict)
        for run, record in grouped[network, setting].items():
            schemes[run.record.padding][run] = record
        # Only settings of the same network need telling apart.
        others = [dict(other) for name, other in keys if name == network]
        apart = [words for part, words in setting if any(other[part] != words for other in others)]
        blocks.append(Block(network, dict(setting), ", ".join(apart), dict(schemes)))
    tested = {run for found in grouped.values() for run in found}
    return Evaluations(tuple(blocks), tuple(left_out), tuple(run for run in collection.runs if run not in tested))


def setting_of(record: EvaluationRecord) -> dict[str, str]:
    """Says in words how a network was tested. Values of different settings are never averaged or subtracted."""
    overlaps = ", ".join(str(overlap(mode)) for mode in record.confusion if mode != REGULAR)
    side = "the shorter side" if record.tile_size is None else f"{record.tile_size} pixels"
    return {
        "checkpoint": record.checkpoint,
        "data": "{images} images of split {split} ({files})".format_map(defaultdict(str, record.data))
        + (f" without a margin of {record.data['margin']} pixels" if record.data.get("margin") else ""),
        "modes": f"tiles that overlap by {overlaps}" if overlaps else "no tiles",
        "tile_size": f"tiles of {side}",
        "average": f"{record.average} averaged",
        "leave_out": f"without the centre of {', '.join(record.leave_out)}",
        "border_scope": f"left-out centres of {'the image' if record.border_scope == 'image' else 'each tile'}",
        "distance_edges": f"distances from {', '.join(map(str, record.distance_edges))}",
        "precision": record.precision,
        "network": record.network,
        "dilation": record.dilation,
        "class_names": f"classes {', '.join(record.class_names)}",
    }


def unusable(run: Run, record: EvaluationRecord) -> str | None:
    """Why a test in the run's folder is in no table; None if it is of the scheme of training and of the best epoch."""
    if record.padding_at_test != record.padding:
        return f"is a cross test, trained with {record.padding} and tested with {record.padding_at_test} padding"
    # Training that continues overwrites best.ckpt, but the record of the earlier file stays.
    monitor = run.record.monitor
    if record.checkpoint == BEST_CHECKPOINT and run.curve(monitor).get(record.epoch) != best(run.rows, monitor):
        return f"is of the best checkpoint at the time, of epoch {record.epoch + 1}; a later epoch is better"
    return None


# Values from the confusion matrices, as sections 4.2 and 4.2.1 of Partial Convolution based Padding define them
# (https://arxiv.org/abs/1811.11718).


def tile_values(record: EvaluationRecord) -> Values:
    """Table 6: maps each way of predicting, such as `regular` and `tiled_1-3`, to the mIoU of all pixels."""
    return {mode: _percent(mean_iou(_counts(record, mode).sum((0, 1)))) for mode in record.confusion}


def border_values(record: EvaluationRecord) -> Values:
    """Table 7: maps each left-out proportion to the mIoU of the remaining pixels in tiles without overlap.

    `regular` is the mIoU of whole images. Empty if no such tiles were tested.
    """
    if NO_OVERLAP not in record.confusion:
        return {}
    kept = map(_percent, leave_out_miou(_counts(record, NO_OVERLAP).sum(1)))
    return {REGULAR: tile_values(record)[REGULAR], **dict(zip(record.leave_out, kept, strict=True))}


def distance_values(record: EvaluationRecord, mode: str) -> Values:
    """Maps each bin of the distance to the nearest border, such as `0-3`, to the mIoU of its pixels."""
    found = distance_miou(_counts(record, mode).sum(0), record.distance_edges)
    return {name: _percent(value) for name, value in found.items()}


def _counts(record: EvaluationRecord, mode: str) -> torch.Tensor:
    """The confusion matrices of one way of predicting, int64 (bands, bins, C, C)."""
    return torch.as_tensor(record.confusion[mode], dtype=torch.int64)


def _percent(share: float) -> float | None:
    """The share in percent; None if no pixel counts (NaN)."""
    return None if math.isnan(share) else 100 * share


def column(runs: Mapping[Run, Values], key: str) -> list[tuple[int, float]]:
    """(seed, value) of each run, as `compare` takes them; empty if a run has no value."""
    found: list[tuple[int, Any]] = [(run.record.seed, values.get(key)) for run, values in runs.items()]
    return [] if any(value is None for _, value in found) else found


def difference(scores: Scores, scheme: str, key: str) -> Comparison | None:
    """`scheme` minus zero padding in a column; None if either has no value."""
    ours, theirs = (column(scores.get(each, {}), key) for each in (scheme, REFERENCE))
    return compare(ours, theirs) if ours and theirs else None
