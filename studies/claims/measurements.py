"""The paper's claims that need more than training curves: time, cross tests, activations, tiles and borders.

Each is read from what its study kept in the run folders: Table 1, Table 4, Figure 5, Tables 6 and 7.
"""

import math
from collections.abc import Callable, Iterator
from functools import lru_cache

from studies.activations.side_by_side import ratios, side_by_side
from studies.claims.verdict import Claim, Evidence
from studies.cross_test.cells import Cell, drops
from studies.runs import paper
from studies.runs.collect import PARTIAL, REFERENCE, Collection
from studies.segmentation.table import BorderDifference, border_differences
from studies.stats.intervals import compare, compare_with, sign_test
from studies.timing.lines import LATER, Line, lines
from studies.timing.table import read_records

COST = 105.0
"""Percent of the time under zero padding: the paper's "about 4 % more time", rounded up to leave room for noise."""

BARELY = -1.0
"""Points that weights may lose under another scheme and still "perform similarly"; the paper's lose 0.732."""


def cheap(collection: Collection) -> list[Evidence]:
    """Time of the later iterations under partial padding, in percent of that under zero padding."""
    records, _ = read_records(collection)
    found = [line for record in records for line in lines(record)]
    return [
        Evidence(_measured(line), sign_test(line.relative, COST), line.paper and line.paper["relative"])
        for line in found
        if (line.scheme, line.iteration) == (PARTIAL, LATER)
    ]


def _measured(line: Line) -> str:
    return f"{line.case.network}, {line.case.mode}, {line.record.device}"


@lru_cache(maxsize=1)
def crossed(collection: Collection) -> dict[tuple[str, str], Cell]:
    """(network, scheme of training) to the cell that was tested under the other one of zero and partial padding.

    Read once for the claims that share it.
    """
    pairs = ({"padding": REFERENCE, "padding_at_test": PARTIAL}, {"padding": PARTIAL, "padding_at_test": REFERENCE})
    return {
        (cell.network, cell.padding): cell
        for cell in drops(collection)
        if {"padding": cell.padding, "padding_at_test": cell.padding_at_test} in pairs
    }


def asymmetric(collection: Collection) -> list[Evidence]:
    """Change of zero's weights under partial padding minus change of partial's weights under zero padding."""
    cells = crossed(collection)
    both = [network for network, padding in cells if padding == REFERENCE and (network, PARTIAL) in cells]
    return [
        Evidence(
            network, compare(*(_by_seed(cells[network, padding]) for padding in (REFERENCE, PARTIAL))), _drop(network)
        )
        for network in both
    ]


def robust(collection: Collection) -> list[Evidence]:
    """Change of partial's weights under zero padding."""
    return [
        Evidence(network, compare_with(cell.diffs, BARELY), (_printed(network, PARTIAL) or {}).get("diff"))
        for (network, padding), cell in crossed(collection).items()
        if padding == PARTIAL
    ]


def _by_seed(cell: Cell) -> list[tuple[int, float]]:
    tested = zip(cell.runs, cell.values, cell.own, strict=True)
    return [(run.record.seed, value - own) for run, value, own in tested if own is not None]


def _printed(network: str, padding: str) -> paper.Row | None:
    other = PARTIAL if padding == REFERENCE else REFERENCE
    return paper.row("table4", network=network, padding=padding, padding_at_test=other)


def _drop(network: str) -> float | None:
    rows = [_printed(network, padding) for padding in (REFERENCE, PARTIAL)]
    return rows[0]["diff"] - rows[1]["diff"] if all(rows) else None


def bright_borders(collection: Collection) -> list[Evidence]:
    """Border over interior of the summed activations, zero minus partial, image by image of one run of each."""
    found = []
    for beside in side_by_side(collection):
        records = {run.record.padding: record for run, record in beside.records.items()}
        if {REFERENCE, PARTIAL} <= records.keys():
            for layer in records[REFERENCE].maps:
                pairs = zip(*(ratios(records[scheme], layer) for scheme in (REFERENCE, PARTIAL)), strict=True)
                known = [pair for pair in pairs if not any(map(math.isnan, pair))]
                if known:
                    sides = (list(enumerate(side)) for side in zip(*known, strict=True))
                    found.append(Evidence(f"{beside.network}, {layer}, by image", compare(*sides)))
    return found


@lru_cache(maxsize=1)
def leads(collection: Collection) -> list[BorderDifference]:
    """Read once for the claims that share it: it goes over every test of every run."""
    return border_differences(collection)


def column(name: str, table: int) -> Callable[[Collection], list[Evidence]]:
    """Partial minus zero padding in one column of Table 6 or 7."""

    def evidence(collection: Collection) -> list[Evidence]:
        found = leads(collection)
        return [
            Evidence(each.network, each.found, each.paper)
            for each in found
            if (each.table, each.column) == (table, name)
        ]

    return evidence


def growing(table: int, start: str, end: str) -> Callable[[Collection], list[Evidence]]:
    """How much larger partial minus zero padding is in column `end` than in `start`, seed by seed."""

    def evidence(collection: Collection) -> list[Evidence]:
        return list(_growth(collection, table, start, end))

    return evidence


def _growth(collection: Collection, table: int, start: str, end: str) -> Iterator[Evidence]:
    found = [each for each in leads(collection) if each.table == table]
    columns = {(each.network, each.column): each for each in found}
    for network in dict.fromkeys(each.network for each in found):
        first, last = columns.get((network, start)), columns.get((network, end))
        if first is None or last is None:
            continue
        seeds = [seed for seed in last.by_seed if seed in first.by_seed]
        if seeds:
            printed = None if None in (first.paper, last.paper) else last.paper - first.paper
            yield Evidence(network, compare_with([last.by_seed[s] - first.by_seed[s] for s in seeds]), printed)


CLAIMS = (
    Claim(
        "Partial padding costs about 4 % more time at inference",
        "Table 1",
        "timing",
        f"later iterations, partial / zero, percent, against {COST:g}",
        False,
        cheap,
        COST,
    ),
    Claim(
        "Weights of zero padding lose more under partial padding than the other way round",
        "Table 4",
        "cross-test",
        "change of zero under partial − change of partial under zero, points",
        False,
        asymmetric,
    ),
    Claim(
        "Weights of partial padding perform similarly under zero padding",
        "Table 4, section 1",
        "cross-test",
        f"change of partial under zero, points, against {BARELY:g}",
        True,
        robust,
        BARELY,
    ),
    Claim(
        "Zero padding has its strongest activations at the border, partial padding has not",
        "Figure 5",
        "activations",
        "border / interior of summed activations, zero − partial, by image",
        True,
        bright_borders,
    ),
    Claim(
        "In tiles without overlap partial padding is ahead",
        "Table 6",
        "segmentation",
        "mIoU in tiles, partial − zero, points",
        True,
        column("tiled_0", 6),
    ),
    Claim(
        "Partial padding gains more from tiles than zero padding does",
        "Table 6",
        "segmentation",
        "lead in tiles − lead on whole images, points",
        True,
        growing(6, "regular", "tiled_0"),
    ),
    Claim(
        "The nearer to the border, the larger the lead of partial padding",
        "Table 7",
        "segmentation",
        "lead without the centre of 7/8 − lead with it, points",
        True,
        growing(7, "0", "7/8"),
    ),
)
