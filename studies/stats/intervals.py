"""Intervals and p values for a few runs, and the number of seeds that a claim needs.

Two runs of one seed start from the same weights and see the same samples in the same order. So if both sides ran the
same seeds, their differences are tested (paired t); otherwise the two sides are independent samples whose variances may
differ (Welch). Both tests assume normal runs, which a handful of runs can neither confirm nor refute. Tests and
intervals are scipy's, except where a comment says what scipy lacks.
"""

import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from studies.stats.spread import mean, stdev

CONFIDENCE = 0.95
"""Confidence level of every interval."""

ALPHA = 0.01
"""A claim counts as decided below this p value."""

POWER = 0.8
"""Probability to detect a difference of the size found, if it is real, that `seeds_needed` asks for."""

MOST_SEEDS = 10_000
"""Largest number of seeds that is named."""


@dataclass(frozen=True)
class Comparison:
    """One side minus another, in the units of the values.

    Attributes:
        mean: difference of the averages.
        n: number of runs of each side; in a paired comparison the number of pairs, twice.
        kind: name of the test, such as "paired" or "Welch"; None if there is no interval.
        low, high: confidence interval of `mean`; None if there is none.
        p: two-sided p value of no difference; None if there is none.
        seeds: runs per side that would show a difference of this size (p < ALPHA) with probability POWER, if it and the
            spread are as found; None if that cannot be said.
    """

    mean: float
    n: tuple[int, int]
    kind: str | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    seeds: int | None = None


def compare(ours: Sequence[tuple[int, float]], theirs: Sequence[tuple[int, float]]) -> Comparison:
    """Compares `ours` minus `theirs`, given as (seed, value) of every run.

    Paired if both sides hold the same seeds, each once. There is no interval with one run on either side, nor if no
    run differs from another: that is not certainty, but too few digits or a defect.

    Raises:
        statistics.StatisticsError: a side has no value.
    """
    left, right = [value for _, value in ours], [value for _, value in theirs]
    difference, n = mean(left) - mean(right), (len(left), len(right))
    if min(n) < 2:
        return Comparison(difference, n)
    seeds, others = (sorted(seed for seed, _ in side) for side in (ours, theirs))
    # A seed that occurs twice has no unique partner, so such sides count as independent.
    if seeds == others and len(set(seeds)) == len(seeds):
        partner = dict(theirs)
        return compare_with([value - partner[seed] for seed, value in ours], kind="paired")
    if stdev(left) == stdev(right) == 0:
        return Comparison(difference, n)
    result = stats.ttest_ind(left, right, equal_var=False)
    # Both sides are independent, so the variance of a difference of two runs is the sum of their variances.
    needed = seeds_needed(abs(difference), math.hypot(stdev(left), stdev(right)), degrees=2)
    return _with_interval(difference, n, "Welch", result, needed)


def compare_with(values: Sequence[float], line: float = 0.0, kind: str = "t") -> Comparison:
    """Tests the mean of `values`, one per run, against `line`, which is a constant (one-sample t).

    Raises statistics.StatisticsError if there is no value.
    """
    n = (len(values), len(values))
    if len(values) < 2 or stdev(values) == 0:
        return Comparison(mean(values), n)
    result = stats.ttest_1samp(values, line)
    return _with_interval(mean(values), n, kind, result, seeds_needed(abs(mean(values) - line), stdev(values)))


def sign_test(values: Sequence[float], line: float) -> Comparison:
    """Tests the median of `values` against `line` by how many lie above it (binomial), whatever their distribution.

    Raises statistics.StatisticsError if there is no value.
    """
    n, middle, found = (len(values), len(values)), statistics.median(values), median_interval(values)
    if found is None:
        return Comparison(middle, n)
    return Comparison(middle, n, "sign", *found, float(stats.quantile_test(values, q=line).pvalue))


def compare_pairs(images: int, better: int, worse: int) -> Comparison:
    """Share of images that only the first side gets right minus the share that only the second does, in points.

    Both sides saw the same images, and only those on which they differ count (McNemar): the first side alone gets
    `better` of them right, the second alone `worse`. p is exact (binomial). The interval covers the difference in the
    population that the images were drawn from with a probability of at least CONFIDENCE, at any number of images: it
    joins two exact intervals (Clopper and Pearson) of half the allowed error each, of how often the sides differ, and
    of how often the first is right when they do. Raises statistics.StatisticsError if there is no image.
    """
    if not images:
        raise statistics.StatisticsError("no image was counted")
    n, apart = (images, images), better + worse
    p = float(stats.binomtest(better, apart).pvalue) if apart else 1.0
    # scipy has neither McNemar's test nor an interval of a difference of paired shares.
    differ, lead = _share_interval(apart, images), _share_interval(better, apart)
    corners = [often * (2 * share - 1) for often in differ for share in lead]
    return Comparison(100 * (better - worse) / images, n, "McNemar", 100 * min(corners), 100 * max(corners), p)


def _share_interval(hits: int, trials: int) -> tuple[float, float]:
    # Half the allowed error each, since two of these intervals are joined to one of CONFIDENCE.
    if not trials:
        return 0.0, 1.0
    found = stats.binomtest(hits, trials).proportion_ci((1 + CONFIDENCE) / 2, method="exact")
    return float(found.low), float(found.high)


def compare_spread(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Tests the ratio of the standard deviations of two samples, `ours` / `theirs`, against 1 (F test).

    There is no interval with fewer than two values on a side or without any spread; `mean` is still the ratio then,
    NaN if it is undefined.
    """
    n = (len(ours), len(theirs))
    left, right = stdev(ours), stdev(theirs)
    if not left or not right:
        return Comparison(left / right if left is not None and right else math.nan, n)
    # scipy tests variances by Bartlett and Levene, which give no interval of the ratio.
    freedom = [count - 1 for count in n]
    ratio = left / right
    low, high = (ratio / math.sqrt(stats.f.ppf(q, *freedom)) for q in ((1 + CONFIDENCE) / 2, (1 - CONFIDENCE) / 2))
    p = 2 * min(stats.f.cdf(ratio**2, *freedom), stats.f.sf(ratio**2, *freedom))
    return Comparison(ratio, n, "F", float(low), float(high), float(p))


def interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Confidence interval of the mean (Student's t), or None for fewer than two values, or if all are equal."""
    if not stdev(values):
        return None
    found = stats.ttest_1samp(values, 0).confidence_interval(CONFIDENCE)
    return float(found.low), float(found.high)


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Confidence interval of the median, or None for fewer than six values, which cannot give one.

    Its ends are two of the values, chosen by their rank (sign test): it assumes that the values are independent, and
    nothing about their distribution.
    """
    low, high = stats.quantile_test(values).confidence_interval(CONFIDENCE) if len(values) else (math.nan, math.nan)
    return None if math.isnan(low + high) else (float(low), float(high))


def seeds_needed(difference: float, deviation: float, degrees: int = 1) -> int | None:
    """Number of runs per side with which a t test detects `difference` (>= 0) at ALPHA with probability POWER.

    At least 2; None if difference or deviation is 0, or beyond MOST_SEEDS.

    Args:
        deviation: standard deviation of a difference of two runs, one of each side.
        degrees: degrees of freedom that each further run adds: 1 if paired, 2 for two independent sides.
    """
    if difference == 0 or deviation == 0:
        return None

    def enough(n: int) -> bool:
        # scipy.stats.power simulates the test; the noncentral t gives its power without sampling error. Its far tail
        # is negligible. It returns NaN on underflow, which happens only if the power is 1.
        freedom, noncentrality = degrees * (n - 1), difference / deviation * math.sqrt(n)
        power = stats.nct.sf(stats.t.ppf(1 - ALPHA / 2, freedom), freedom, noncentrality)
        return math.isnan(power) or power >= POWER

    counts = range(2, MOST_SEEDS + 1)
    place = bisect_left(counts, True, key=enough)
    return counts[place] if place < len(counts) else None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusts p values for several comparisons by Holm's method; None stays None."""
    # scipy has false_discovery_control (Benjamini and Hochberg) only, which bounds another error.
    known = sorted((p, number) for number, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, number) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[number] = highest
    return adjusted


def _with_interval(difference: float, n: tuple[int, int], kind: str, result, seeds: int | None) -> Comparison:
    found = result.confidence_interval(CONFIDENCE)
    return Comparison(difference, n, kind, float(found.low), float(found.high), float(result.pvalue), seeds)
