"""What a few runs can and cannot decide: intervals, p values, and how many seeds a claim would need.

Two runs of one seed start from the same weights and see the same samples in the same order, so where both sides ran the
same seeds their differences are compared (paired t); elsewhere the two sides are compared as independent samples whose
variances may differ (Welch). Both presume that runs scatter about normally, which a handful of runs can neither show
nor deny. Tests and intervals are scipy's, except where a comment says what scipy lacks.
"""

import math
import statistics
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from scipy import stats

from studies.stats.spread import mean, stdev

CONFIDENCE = 0.95
"""Of every interval that is shown."""

ALPHA = 0.01
"""A claim counts as decided below this p value."""

POWER = 0.8
"""Chance to see a difference of the size found, if it is real, that `seeds_needed` asks for."""

MOST_SEEDS = 10_000
"""Beyond this, no number of seeds is named."""


@dataclass(frozen=True)
class Comparison:
    """One side minus another, in the units of the values.

    Attributes:
        mean: difference of the averages.
        n: runs of each side; of a paired comparison the number of pairs, twice.
        kind: the test's name, such as "paired" or "Welch"; None where there is no interval.
        low, high: confidence interval of `mean`; None where there is none.
        p: two-sided p value of no difference; None where there is none.
        seeds: runs of each side that would show a difference of this size (p < ALPHA) with probability POWER, if it and
            the spread are as found; None where that cannot be said.
    """

    mean: float
    n: tuple[int, int]
    kind: str | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    seeds: int | None = None


def compare(ours: Sequence[tuple[int, float]], theirs: Sequence[tuple[int, float]]) -> Comparison:
    """`ours` minus `theirs`, each a (seed, value) for every run.

    Paired where both sides hold the same seeds, each once. There is no interval with one run on either side, nor where
    no run differs from another: that is not certainty, but too few digits or a defect.

    Raises:
        statistics.StatisticsError: if a side has no value.
    """
    left, right = [value for _, value in ours], [value for _, value in theirs]
    difference, n = mean(left) - mean(right), (len(left), len(right))
    if min(n) < 2:
        return Comparison(difference, n)
    seeds, others = (sorted(seed for seed, _ in side) for side in (ours, theirs))
    # A seed that occurs twice has no one partner, so such sides count as independent.
    if seeds == others and len(set(seeds)) == len(seeds):
        partner = dict(theirs)
        return compare_with([value - partner[seed] for seed, value in ours], kind="paired")
    if stdev(left) == stdev(right) == 0:
        return Comparison(difference, n)
    result = stats.ttest_ind(left, right, equal_var=False)
    # Runs of both sides are independent, so the variances of a difference of two of them add up.
    needed = seeds_needed(abs(difference), math.hypot(stdev(left), stdev(right)), degrees=2)
    return _with_interval(difference, n, "Welch", result, needed)


def compare_with(values: Sequence[float], line: float = 0.0, kind: str = "t") -> Comparison:
    """The mean of `values`, one of each run, against a `line` that is no measurement (one-sample t).

    Raises statistics.StatisticsError without a value.
    """
    n = (len(values), len(values))
    if len(values) < 2 or stdev(values) == 0:
        return Comparison(mean(values), n)
    result = stats.ttest_1samp(values, line)
    return _with_interval(mean(values), n, kind, result, seeds_needed(abs(mean(values) - line), stdev(values)))


def sign_test(values: Sequence[float], line: float) -> Comparison:
    """The median of `values` against `line`: how many lie above it (binomial), whatever their distribution.

    Raises statistics.StatisticsError without a value.
    """
    n, middle, found = (len(values), len(values)), statistics.median(values), median_interval(values)
    if found is None:
        return Comparison(middle, n)
    return Comparison(middle, n, "sign", *found, float(stats.quantile_test(values, q=line).pvalue))


def compare_pairs(images: int, better: int, worse: int) -> Comparison:
    """Share of images that one side alone gets right less the share that the other alone does, in points of percent.

    Both sides saw the same images; only those on which they differ tell (McNemar): `better` are those that the first
    side alone gets right, `worse` the second. p is exact (binomial). The interval covers the difference in the
    population that the images were drawn from with a probability of at least CONFIDENCE, at any number of images: it
    joins two exact intervals (Clopper and Pearson) of half the allowed error each, of how often the sides differ, and
    of how often the first is right when they do. Raises statistics.StatisticsError without an image.
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
    # Of half the allowed error: two of these make a statement at CONFIDENCE.
    if not trials:
        return 0.0, 1.0
    found = stats.binomtest(hits, trials).proportion_ci((1 + CONFIDENCE) / 2, method="exact")
    return float(found.low), float(found.high)


def compare_spread(ours: Sequence[float], theirs: Sequence[float]) -> Comparison:
    """Ratio of the standard deviations of two samples, `ours` to `theirs`, against 1 (F test).

    There is no interval with fewer than two values on a side or without any spread; `mean` is then the ratio all the
    same, NaN where it is none.
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
    """Confidence interval of the mean (Student's t), or None for fewer than two values, or where none differs."""
    if not stdev(values):
        return None
    found = stats.ttest_1samp(values, 0).confidence_interval(CONFIDENCE)
    return float(found.low), float(found.high)


def median_interval(values: Sequence[float]) -> tuple[float, float] | None:
    """Confidence interval of the median, or None for fewer than six values, which cannot give one.

    Two of the values themselves, chosen by their rank (sign test): it presumes nothing of how they scatter, only that
    they are independent.
    """
    low, high = stats.quantile_test(values).confidence_interval(CONFIDENCE) if len(values) else (math.nan, math.nan)
    return None if math.isnan(low + high) else (float(low), float(high))


def seeds_needed(difference: float, deviation: float, degrees: int = 1) -> int | None:
    """Runs of each side with which a t test finds `difference`, not negative, at ALPHA with probability POWER.

    At least 2; None without a difference or a deviation, or beyond MOST_SEEDS.

    Args:
        deviation: standard deviation of a difference of two runs, one of each side.
        degrees: of freedom that each further run adds: 1 paired, 2 for two independent sides.
    """
    if difference == 0 or deviation == 0:
        return None

    def enough(n: int) -> bool:
        # scipy.stats.power simulates the test; the noncentral t gives its power without sampling error. Its far tail
        # adds nothing that matters. It gives NaN where it underflows, which happens only where the power is 1.
        freedom, noncentrality = degrees * (n - 1), difference / deviation * math.sqrt(n)
        power = stats.nct.sf(stats.t.ppf(1 - ALPHA / 2, freedom), freedom, noncentrality)
        return math.isnan(power) or power >= POWER

    counts = range(2, MOST_SEEDS + 1)
    place = bisect_left(counts, True, key=enough)
    return counts[place] if place < len(counts) else None


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjustment for several comparisons, None left as it is."""
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
