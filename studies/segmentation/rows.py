"""Rows that compare padding schemes in several columns at once, as Tables 6 and 7 of the paper do.

First the mean of each scheme's runs, as the paper has one line a scheme; then differences from zero padding with their
intervals; then every run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from records.evaluation import EvaluationRecord
from studies.page.palette import Style
from studies.page.tables import Column, Linked, Marked, decimals, p_value, signed
from studies.runs.collect import REFERENCE
from studies.segmentation.evaluations import Block
from studies.stats.intervals import CONFIDENCE, Comparison, compare
from studies.stats.spread import mean

INTERVAL = f"{100 * CONFIDENCE:g} % interval"
"""Heading of an Interval."""


@dataclass(frozen=True)
class Sample:
    """One run's values, a value a column; None where there is none."""

    padding: str
    seed: int
    folder: Path
    values: tuple[float | None, ...]


class Difference(float):
    """Shown with its sign."""


class Probability(float):
    """A p value."""


class Interval(NamedTuple):
    """Confidence interval of a difference."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low!r} to {self.high!r}"


def value_column(name: str, only_csv: bool = False) -> Column:
    """A column of values, differences, intervals."""
    return Column(name, _show, only_csv=only_csv)


def _show(value: Any) -> str:
    """A percentage with three decimals as in the paper, a difference with its sign, an interval with two."""
    match value:
        case Interval():
            return f"{value.low:+.2f} to {value.high:+.2f}"
        case Probability():
            return p_value(value)
        case Difference():
            return signed(3)(value)
    return decimals(3)(value)


def compared_cells(found: Comparison | None) -> tuple[Difference | None, Interval | None, Probability | None]:
    """The difference, its interval and its p value, each None where there is none."""
    if found is None:
        return None, None, None
    between = None if found.low is None else Interval(found.low, found.high)
    return Difference(found.mean), between, None if found.p is None else Probability(found.p)


def samples(block: Block, of: Callable[[EvaluationRecord], Sequence[float | None]]) -> dict[str, tuple[Sample, ...]]:
    """Each scheme's runs; `of` gives the values of a run's record."""
    return {
        scheme: tuple(
            Sample(scheme, each.run.record.seed, each.run.folder.path, tuple(of(each.record))) for each in evaluations
        )
        for scheme, evaluations in block.schemes.items()
    }


def comparisons(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[Comparison | None]:
    """One side minus the other in each column; None where a run has no value."""
    found = []
    for column in range(len(ours[0].values)):
        left, right = ([(each.seed, each.values[column]) for each in side] for side in (ours, theirs))
        complete = all(value is not None for _, value in left + right)
        found.append(compare(left, right) if complete else None)
    return found


def rows(name: str, schemes: Mapping[str, Sequence[Sample]], styles: Mapping[str, Style]) -> list[list[Any]]:
    """Heading, the values of the columns, and the number of runs, for each row of one block.

    Args:
        name: of the network, before the scheme.
        schemes: each scheme's runs.
    """
    found = []
    for scheme, runs in schemes.items():
        columns = zip(*(run.values for run in runs), strict=True)
        means = [None if None in values else mean(values) for values in columns]
        found.append([Marked(f"{name}_{scheme}", styles[scheme]), *means, len(runs)])
    for scheme, runs in schemes.items():
        if scheme != REFERENCE and REFERENCE in schemes:
            found += _difference_rows(scheme, comparisons(runs, schemes[REFERENCE]))
    for runs in schemes.values():
        found += [[Linked(f"{run.padding}, seed {run.seed}", run.folder), *run.values, 1] for run in runs]
    return found


def _difference_rows(scheme: str, found: Sequence[Comparison | None]) -> list[list[Any]]:
    known = [each for each in found if each is not None]
    n = min(known[0].n) if known else None
    kinds = sorted({each.kind for each in known if each.kind})
    kind = f" ({', '.join(kinds)})" if kinds else ""
    cells = [compared_cells(each) for each in found]
    return [
        [f"diff: {scheme} - {REFERENCE}", *(difference for difference, _, _ in cells), n],
        [f"{INTERVAL}{kind}: from", *(between and Difference(between.low) for _, between, _ in cells), n],
        ["to", *(between and Difference(between.high) for _, between, _ in cells), n],
        ["p", *(p for _, _, p in cells), n],
    ]
