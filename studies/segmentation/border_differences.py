"""Partial minus zero padding in every column of Tables 6 and 7, network by network: what claims about them rest on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from studies.page.scheme_rows import Sample, comparisons
from studies.runs.collect import REFERENCE, Collection
from studies.segmentation.border_evaluation import BORDER
from studies.segmentation.evaluation_table import Kind, samples_of
from studies.segmentation.evaluations import Block, read_evaluations
from studies.segmentation.tile_evaluation import TILES
from studies.stats.intervals import Comparison

OTHER = "partial"


@dataclass(frozen=True)
class BorderDifference:
    """Partial minus zero padding in one column, in percentage points.

    Attributes:
        network: name that runs are compared under.
        table: 6 or 7.
        column: `regular`, `tiled_0`, `tiled_1-3`, ... of Table 6; `regular` and the proportions, such as `1/3`, of
            Table 7.
        found: difference of the means with its interval.
        by_seed: the difference of the runs of each seed that both schemes ran once.
        paper: the paper's own difference, where it has this network and split.
    """

    network: str
    table: int
    column: str
    found: Comparison
    by_seed: dict[int, float]
    paper: float | None


def border_differences(collection: Collection) -> list[BorderDifference]:
    """Every column of both tables for each network that was tested with both schemes.

    Of a network that was tested in several ways the one that most of its runs were tested in counts.
    """
    chosen: dict[str, Block] = {}
    for block in read_evaluations(collection).blocks:
        if {OTHER, REFERENCE} <= block.schemes.keys():
            chosen.setdefault(block.network, block)
    tables = ((6, TILES), (7, BORDER))
    return [each for block in chosen.values() for table, kind in tables for each in _of(block, table, kind)]


def _of(block: Block, table: int, kind: Kind) -> Iterator[BorderDifference]:
    keys = kind.keys([block])
    samples = samples_of(block, kind.values, keys)
    ours, theirs = samples[OTHER], samples[REFERENCE]
    published = kind.published(block)
    paper = published[-1][1] if published else {}
    for number, (key, found) in enumerate(zip(keys, comparisons(ours, theirs), strict=True)):
        if found is not None:
            left, right = _by_seed(ours, number), _by_seed(theirs, number)
            by_seed = {seed: value - right[seed] for seed, value in left.items() if seed in right}
            yield BorderDifference(block.network, table, key, found, by_seed, paper.get(key))


def _by_seed(samples: Sequence[Sample], column: int) -> dict[int, float]:
    """The values of seeds that are there once."""
    seeds = [sample.seed for sample in samples]
    return {sample.seed: sample.values[column] for sample in samples if seeds.count(sample.seed) == 1}
