"""The paper's claims that need more than training curves: time, cross tests, activations, tiles and borders.

The evidence comes from the records that each study wrote: Table 1, Table 4, Figure 5, Tables 6 and 7.
"""

import math
from collections.abc import Iterator
from functools import lru_cache, partial

from studies.activations.side_by_side import ratios, side_by_side
from studies.claims.verdict import Claim, Evidence
from studies.cross_test.table import Cell, drops
from studies.runs.collect import FIRST_SCHEMES, PARTIAL, REFERENCE, Collection
from studies.runs.measured import read_measured
from studies.segmentation.evaluations import Values, difference
from studies.segmentation.table import BORDER, TILES, EvaluationTable, compared_blocks
from studies.stats.intervals import compare, compare_with, sign_test
from studies.timing.lines import LATER, lines
from studies.timing.record import TimingRecord
from studies.timing.table import FOLDER

COST = 105.0
"""Percent of the time under zero padding: the paper's "about 4 % more time", rounded up to leave room for noise."""

BARELY = -1.0
"""Points that weights may lose under another scheme and still "perform similarly"; the paper's lose 0.732."""


def cheap(collection: Collection) -> Iterator[Evidence]:
    """Time of the later iterations under partial padding, in percent of that under zero padding."""
    records, _ = read_measured(collection.root / FOLDER, TimingRecord)
    for line in (line for record in records for line in lines(record)):
        if (line.scheme, line.iteration) == (PARTIAL, LATER):
            name = f"{line.case.network}, {line.case.mode}, {line.record.device}"
            yield Evidence(name, sign_test(line.relative, COST), line.paper and line.paper["relative"])


# Cached, since two claims need it, and every evaluation of every run is read for it.
@lru_cache(maxsize=1)
def crossed(collection: Collection) -> dict[tuple[str, str], Cell]:
    """Maps (network, scheme of training), zero or partial, to the cell that was tested under the other of the two."""
    cells = drops(collection)
    return {(c.network, c.padding): c for c in cells if {c.padding, c.padding_at_test} == set(FIRST_SCHEMES)}


def asymmetric(collection: Collection) -> Iterator[Evidence]:
    """Change of zero's weights under partial padding minus change of partial's weights under zero padding."""
    for (network, padding), cell in crossed(collection).items():
        other = crossed(collection).get((network, PARTIAL))
        if padding == REFERENCE and other:
            zero, partial_ = (each.paper.get("diff") for each in (cell, other))
            printed = None if None in (zero, partial_) else zero - partial_
            sides = ([(run.record.seed, diff) for run, diff in each.diffs.items()] for each in (cell, other))
            yield Evidence(network, compare(*sides), printed)


def robust(collection: Collection) -> Iterator[Evidence]:
    """Change of partial's weights under zero padding."""
    for (network, padding), cell in crossed(collection).items():
        if padding == PARTIAL:
            yield Evidence(network, compare_with([*cell.diffs.values()], BARELY), cell.paper.get("diff"))


def bright_borders(collection: Collection) -> Iterator[Evidence]:
    """Border / interior of the summed activations, zero minus partial, image by image, from one run of each scheme."""
    for beside in side_by_side(collection):
        records = {run.record.padding: record for run, record in beside.records.items()}
        if not records.keys() >= {*FIRST_SCHEMES}:
            continue
        for layer in records[REFERENCE].maps:
            pairs = zip(*(ratios(records[scheme], layer) for scheme in FIRST_SCHEMES), strict=True)
            # A ratio is NaN where a map has no interior or the interior is 0: no evidence either way.
            known = [pair for pair in pairs if not any(map(math.isnan, pair))]
            if known:
                sides = (list(enumerate(side)) for side in zip(*known, strict=True))
                yield Evidence(f"{beside.network}, {layer}, by image", compare(*sides))


# Cached, since three claims need it, and every test of every run is read for it.
tested = lru_cache(maxsize=1)(compared_blocks)


def border_lead(table: EvaluationTable, end: str, start: str | None, collection: Collection) -> Iterator[Evidence]:
    """Partial minus zero padding in column `end` of Table 6 or 7, less that in column `start` (None: 0), by run."""

    def gain(values: Values) -> Values:
        ends = [values.get(end), 0.0 if start is None else values.get(start)]
        return {"gain": None if None in ends else ends[0] - ends[1]}

    for block in tested(collection):
        scores = block.scores(lambda record: gain(table.values(record)))
        if found := difference(scores, PARTIAL, "gain"):
            yield Evidence(block.network, found, gain(table.paper(block).get("diff", {}))["gain"])


# fmt: off
CLAIMS = (
    Claim("Partial padding costs about 4 % more time at inference", "Table 1", "timing",
          f"later iterations, partial / zero, percent, against {COST:g}", False, cheap, COST),
    Claim("Weights of zero padding lose more under partial padding than the other way round", "Table 4", "cross-test",
          "change of zero under partial − change of partial under zero, points", False, asymmetric),
    Claim("Weights of partial padding perform similarly under zero padding", "Table 4, section 1", "cross-test",
          f"change of partial under zero, points, against {BARELY:g}", True, robust, BARELY),
    Claim("Zero padding has its strongest activations at the border, partial padding has not", "Figure 5",
          "activations", "border / interior of summed activations, zero − partial, by image", True, bright_borders),
    Claim("In tiles without overlap partial padding is ahead", "Table 6", "segmentation",
          "mIoU in tiles, partial − zero, points", True, partial(border_lead, TILES, "tiled_0", None)),
    Claim("Partial padding gains more from tiles than zero padding does", "Table 6", "segmentation",
          "lead in tiles − lead on whole images, points", True, partial(border_lead, TILES, "tiled_0", "regular")),
    Claim("The nearer to the border, the larger the lead of partial padding", "Table 7", "segmentation",
          "lead without the centre of 7/8 − lead with it, points", True, partial(border_lead, BORDER, "7/8", "0")),
)
# fmt: on
