"""Pairs of validations of one checkpoint: cropped images, padded and masked batches, padded batches without a mask.

The masks are those of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Both validations of a pair
see the same images, so they are compared image by image: McNemar's test of classified images, the sign test of scenes.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

from records.validation import VIEWS, ValidationRecord
from studies.page.blocks import Section, Text
from studies.page.tables import Column, Linked, Table, decimals, p_value, signed, starts
from studies.runs.collect import Collection, Run
from studies.stats.intervals import compare_pairs

COLUMNS = (
    *(Column(name, words=True) for name in ("Run", "checkpoint", "padding", "first", "second")),
    Column("images"),
    *(Column(name, decimals(2)) for name in ("first %", "second %")),
    *(Column(name, signed(2)) for name in ("difference", "low", "high")),
    *map(Column, ("better", "worse")),
    Column("p", p_value),
)


def study(collection: Collection, output: Path) -> Section | None:
    """Returns the comparisons as a section, or None if there are no two validations to compare.

    Writes `padded_validation.csv` and `.md`.
    """
    rows = [row for run in collection.runs for row in pair_rows(run)]
    if not rows:
        return None
    title = "Top-1 or mIoU of the same images: cropped, or padded to one size with and without a mask"
    found = Table(title, COLUMNS, rows, starts([(str(row[0].target), row[1]) for row in rows]))
    blocks = [found, Text(READING, muted=True)]
    return Section("Cropped images and padded batches", blocks, found.write(output, "padded_validation"))


def pair_rows(run: Run) -> Iterator[list]:
    """Yields a row of COLUMNS for every two validations with the same weights, scheme, precision and images."""
    groups: dict[tuple, dict[str, ValidationRecord]] = defaultdict(dict)
    for each in run.evaluations(ValidationRecord).values():
        data, metrics = json.dumps(each.data, sort_keys=True), tuple(sorted(each.metrics))
        same = (each.checkpoint, each.step, each.padding_at_test, each.precision, data, metrics)
        if len(each.right):
            groups[(*same, len(each.right))][each.view] = each
    for views in groups.values():
        for first, second in combinations(sorted(views, key=VIEWS.index), 2):
            yield _row(run, views[first], views[second])


def _row(run: Run, first: ValidationRecord, second: ValidationRecord) -> list:
    classified = "acc1" in first.metrics
    values = [each.metrics["acc1" if classified else "miou"] for each in (first, second)]
    better, worse = int((first.right > second.right).sum()), int((first.right < second.right).sum())
    found = compare_pairs(len(first.right), better, worse)
    name = Linked(run.record.name, run.folder.path)
    which = [first.checkpoint, first.padding_at_test, first.view, second.view, len(first.right)]
    # The interval is for top-1, which scenes do not have.
    ends = (found.low, found.high) if classified else (None, None)
    return [name, *which, *values, values[0] - values[1], *ends, better, worse, found.p]


READING = (
    "difference: first less second, in percentage points. cropped: resized, and the centre cut out; alone: scenes one "
    "by one; padded: uncropped images padded to one size, with the mask rule, none being no mask. better, worse: "
    "images of which the first validation got more predictions right than the second, or fewer (a classified image "
    "counts 1 or 0). p: exact, of each row by itself (McNemar's test, of scenes the sign test). low, high: an interval "
    "that covers the difference in top-1 with at least 95 %. They say how sure the difference is for this network on "
    "images like these, nothing about another training."
)
