"""Intervals, p values and numbers of seeds, against formulas written another way, textbook values and simulation."""

import math
import statistics

import numpy as np
import pytest
from scipy import stats

from studies.stats.intervals import (
    ALPHA,
    CONFIDENCE,
    POWER,
    compare,
    compare_pairs,
    holm,
    interval,
    median_interval,
    seeds_needed,
    sign_test,
)

T = {2: 4.302653, 3: 3.182446}
"""Student's 97.5 % points by degrees of freedom, from a printed table."""


def test_same_seeds_are_paired_in_whatever_order():
    found = compare([(0, 10.0), (1, 12.0), (2, 17.0)], [(2, 14.0), (0, 9.0), (1, 10.0)])
    # Differences 1, 2, 3: mean 2, standard error 1 / sqrt(3), t = 2 sqrt(3) at 2 degrees of freedom.
    assert (found.kind, found.n, found.mean) == ("paired", (3, 3), 2.0)
    assert (found.low, found.high) == pytest.approx((2 - T[2] / 3**0.5, 2 + T[2] / 3**0.5), abs=1e-5)
    # At 2 degrees of freedom the t distribution has a closed form: p = 1 - t / sqrt(2 + t^2).
    t = 2 * 3**0.5
    assert found.p == pytest.approx(1 - t / (2 + t * t) ** 0.5)


def test_other_seeds_are_welch():
    ours, theirs = [(0, 1.0), (1, 2.0), (2, 6.0)], [(0, 1.0), (1, 1.5), (3, 2.0), (4, 2.5)]
    found = compare(ours, theirs)
    variances = [np.var([v for _, v in side], ddof=1) / len(side) for side in (ours, theirs)]
    freedom = sum(variances) ** 2 / (variances[0] ** 2 / 2 + variances[1] ** 2 / 3)
    assert (found.kind, found.n, found.mean) == ("Welch", (3, 4), pytest.approx(1.25))
    assert 2 < freedom < 3
    half = (found.high - found.low) / 2
    assert T[3] < half / sum(variances) ** 0.5 < T[2]
    assert (found.low + found.high) / 2 == pytest.approx(1.25)


def test_a_repeated_seed_is_no_pair():
    assert compare([(0, 1.0), (0, 2.0)], [(0, 3.0), (0, 5.0)]).kind == "Welch"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ([(0, 1.0)], [(0, 2.0), (1, 3.0)]),
        ([(0, 1.0), (1, 2.0)], [(0, 2.0), (1, 3.0)]),  # every pair differs by the same
        # By 102 of 10,000 images twice, and yet the differences are two floats.
        ([(0, 75.32), (1, 76.11)], [(0, 76.34), (1, 77.13)]),
        ([(0, 1.0), (1, 1.0)], [(2, 2.0), (3, 2.0)]),
    ],
    ids=["one run", "pairs alike", "pairs alike but for rounding", "no spread"],
)
def test_without_spread_there_is_no_interval(ours, theirs):
    found = compare(ours, theirs)
    assert found.mean < 0
    assert (found.kind, found.low, found.high, found.p, found.seeds) == (None,) * 5


def test_an_interval_of_one_sample_is_students_and_none_without_spread():
    assert interval([1.0, 2.0, 3.0]) == pytest.approx((2 - T[2] / 3**0.5, 2 + T[2] / 3**0.5), abs=1e-5)
    assert [interval(values) for values in ([], [1.0], [100.0] * 5, [0.1 + 0.2, 0.3])] == [None] * 4


@pytest.mark.parametrize("count", range(40))
def test_median_interval_covers_as_often_as_it_says(count):
    """By enumeration of the binomial distribution: it covers at least 95 %, and the next narrower one does not."""
    found = median_interval(list(range(1, count + 1)))
    below = [2 * sum(math.comb(count, k) for k in range(rank)) / 2**count for rank in range(1, count // 2 + 1)]
    best = sum(share <= 0.05 for share in below)
    assert found == ((best, count + 1 - best) if best else None)


@pytest.mark.parametrize(
    ("values", "p"),
    [
        ([3, 4, 5, 6, 7, 8], 2 / 64),
        ([1, 4, 5, 6, 7, 8], 2 * 7 / 64),
        ([8, 7, 6, 1, 1, 1], 1.0),
        ([2, 4, 5, 6, 7, 8], 2 * 7 / 64),  # a value on the line speaks for neither side
        ([3, 4, 5], None),
    ],
)
def test_sign_test(values, p):
    """Coins counted by hand: how often are so many of six heads, or so few."""
    found = sign_test(values, 2)
    assert found.p == (None if p is None else pytest.approx(p))
    assert found.mean == statistics.median(values)


@pytest.mark.parametrize(("effect", "degrees"), [(2.0, 1), (1.2, 1), (1.0, 2)])
def test_seeds_needed_give_the_power_and_one_fewer_does_not(effect, degrees):
    """Simulated: 40,000 experiments of n runs each, tested by the ratio of mean and standard error."""
    n = seeds_needed(effect, 1.0, degrees)
    rng = np.random.default_rng(0)
    shares = []
    for count in (n, n - 1):
        if degrees == 1:
            sample = rng.normal(effect, 1, (40_000, count))
            t = sample.mean(1) / (sample.std(1, ddof=1) / count**0.5)
        else:
            sides = rng.normal([[[effect]], [[0.0]]], 0.5**0.5, (2, 40_000, count))
            t = (sides[0] - sides[1]).mean(1) / (sides.var(2, ddof=1).sum(0) / count) ** 0.5
        shares.append((t > stats.t.ppf(1 - ALPHA / 2, degrees * (count - 1))).mean())
    assert shares[0] > POWER - 0.01
    assert shares[1] < POWER + 0.01


def test_seeds_needed_at_the_ends():
    """None without an effect, without a spread and beyond the most seeds; two at least."""
    ends = [(0.0, 1.0), (1.0, 0.0), (1e-6, 1.0), (1000.0, 1.0)]
    assert [seeds_needed(*each) for each in ends] == [None, None, None, 2]


def test_holm_is_the_textbooks():
    assert holm([0.01, None, 0.04, 0.03, 0.005]) == pytest.approx([0.03, None, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_pairs_have_mcnemars_exact_p():
    found = compare_pairs(200, better=9, worse=2)
    # Two-sided binomial: all outcomes of 11 coins that are no likelier than 9 heads.
    tail = sum(math.comb(11, k) for k in (0, 1, 2, 9, 10, 11)) / 2**11
    assert (found.kind, found.n, found.mean) == ("McNemar", (200, 200), pytest.approx(3.5))
    assert found.p == pytest.approx(tail)
    other = compare_pairs(200, better=2, worse=9)
    assert (other.mean, other.low, other.high, other.p) == pytest.approx((-3.5, -found.high, -found.low, tail))
    # Without an image on which they differ nothing speaks for a difference, but few images rule out none.
    same = compare_pairs(20, 0, 0)
    assert (same.mean, same.p) == (0, 1)
    assert -25 < same.low == -same.high < -15
    with pytest.raises(statistics.StatisticsError):
        compare_pairs(0, 0, 0)


@pytest.mark.parametrize("images", [1, 4, 15])
def test_the_interval_of_pairs_covers_what_is_true(images):
    """Every outcome with its probability (multinomial), instead of a simulation."""
    outcomes = [(b, w) for b in range(images + 1) for w in range(images + 1 - b)]
    found = [compare_pairs(images, better, worse) for better, worse in outcomes]
    assert all(each.low <= each.mean <= each.high for each in found)
    for alone in [(0.0, 0.0), (0.3, 0.0), (0.2, 0.2), (0.05, 0.4), (0.01, 0.02), (0.6, 0.4)]:
        shares = [*alone, max(0.0, 1 - sum(alone))]
        chances = stats.multinomial.pmf([(b, w, images - b - w) for b, w in outcomes], images, shares)
        truth = 100 * (alone[0] - alone[1])
        covers = [each.low - 1e-9 <= truth <= each.high + 1e-9 for each in found]
        assert chances.sum() == pytest.approx(1)
        assert chances @ covers >= CONFIDENCE, alone
