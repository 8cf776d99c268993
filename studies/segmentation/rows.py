"""Rows of a table that sets padding schemes apart in several columns at once, as Tables 6 and 7 of the paper do.

First the mean of each scheme's runs, as the paper has one line a scheme; then differences from zero padding with their
intervals; then every run.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from studies.page import html, palette
from studies.page.columns import p_value
from studies.page.tables import Column, decimals, signed
from studies.runs.collect import REFERENCE
from studies.stats.intervals import CONFIDENCE, Comparison, compare
from studies.stats.spread import mean

Row = list[Any]

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


@dataclass(frozen=True)
class Interval:
    """Of a difference."""

    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low!r} to {self.high!r}"


@dataclass(frozen=True)
class Heading:
    """What heads a row.

    Attributes:
        text: the heading.
        scheme: whose line is drawn before it, if any.
        folder: that it links to, if any.
    """

    text: str
    scheme: str | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        return self.text


def heading_column(name: str, styles: Mapping[str, palette.Style], page_folder: Path) -> Column:
    """The first column, of Headings, for a page in `page_folder`."""

    def as_html(heading: Heading) -> str:
        swatch = html.swatch(styles[heading.scheme]) if heading.scheme in styles else ""
        if heading.folder is None:
            return swatch + html.escape(heading.text)
        return swatch + html.link(heading.text, heading.folder, page_folder)

    return Column(name, as_html=as_html)


def value_column(name: str, only_csv: bool = False) -> Column:
    """A column of values, differences, intervals."""
    return Column(name, show_cell, only_csv=only_csv)


def show_cell(value: Any) -> str:
    """A percentage with three decimals as in the paper, a difference with its sign, an interval with two."""
    if isinstance(value, Interval):
        return f"{value.low:+.2f} to {value.high:+.2f}"
    if isinstance(value, Probability):
        return p_value(value)
    if isinstance(value, Difference):
        return signed(3)(value)
    return decimals(3)(value)


def rows(name: str, samples: Mapping[str, Sequence[Sample]]) -> list[Row]:
    """Heading, the values of the columns, and the number of runs, for each row of one block.

    Args:
        name: of the network, before the scheme.
        samples: each scheme's runs, zero padding first where there is any.
    """
    found = [_mean_row(name, scheme, each) for scheme, each in samples.items()]
    if REFERENCE in samples:
        for scheme, each in samples.items():
            if scheme != REFERENCE:
                found += _difference_rows(scheme, comparisons(each, samples[REFERENCE]))
    for each in samples.values():
        found += [[_of_run(sample), *sample.values, 1] for sample in each]
    return found


def comparisons(ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[Comparison | None]:
    """One side minus the other in each column; None where a run has no value."""
    found = []
    for column in range(len(ours[0].values)):
        left, right = ([(each.seed, each.values[column]) for each in side] for side in (ours, theirs))
        complete = all(value is not None for _, value in left + right)
        found.append(compare(left, right) if complete else None)
    return found


def _mean_row(name: str, scheme: str, samples: Sequence[Sample]) -> Row:
    columns = zip(*(sample.values for sample in samples), strict=True)
    means = [None if None in values else mean(values) for values in columns]
    return [Heading(f"{name}_{scheme}", scheme), *means, len(samples)]


def _difference_rows(scheme: str, found: Sequence[Comparison | None]) -> list[Row]:
    known = [each for each in found if each is not None]
    n = min(known[0].n) if known else None
    kinds = sorted({each.kind for each in known if each.kind})
    kind = f" ({', '.join(kinds)})" if kinds else ""
    return [
        [Heading(f"diff: {scheme} - {REFERENCE}"), *_each(found, lambda each: each.mean, Difference), n],
        [Heading(f"{INTERVAL}{kind}: from"), *_each(found, lambda each: each.low, Difference), n],
        [Heading("to"), *_each(found, lambda each: each.high, Difference), n],
        [Heading("p"), *_each(found, lambda each: each.p, Probability), n],
    ]


def _each(
    found: Sequence[Comparison | None], of: Callable[[Comparison], float | None], kind: type[float]
) -> list[float | None]:
    values = [None if each is None else of(each) for each in found]
    return [None if value is None else kind(value) for value in values]


def _of_run(sample: Sample) -> Heading:
    return Heading(f"{sample.padding}, seed {sample.seed}", folder=sample.folder)
