"""The paper's claims about accuracy, spread and speed of convergence: section 4.1, Tables 2, 3 and 5, Figure 3.

Partial Convolution based Padding, https://arxiv.org/abs/1811.11718.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import pairwise

from studies.claims.verdict import Claim, Evidence
from studies.convergence.targets import reached
from studies.runs.collect import PARTIAL, REFERENCE, Collection, Group
from studies.runs.statistic import BEST, LAST5, Statistic
from studies.stats.intervals import compare, compare_spread
from studies.stats.spread import mean

SIMILAR = 0.2
"""Percentage points by which reflection or replication may lead and still be called similar. The paper calls its own
leads of up to 0.089 points similar; twice that, rounded up, leaves room for seeds."""


def of_scheme(collection: Collection, scheme: str) -> Iterator[tuple[Group, Group]]:
    """Yields the group of `scheme` and the group of zero padding of each network that has both."""
    for group in collection.groups:
        if group.padding == scheme and (baseline := collection.baseline(group)):
            yield group, baseline


def ahead(statistic: Statistic, collection: Collection) -> Iterator[Evidence]:
    """Difference of the values by `statistic`, partial minus zero padding."""
    for group, _ in of_scheme(collection, PARTIAL):
        printed = statistic.paper_difference(group, collection.metric)
        yield Evidence(group.network, statistic.difference(collection, group), printed)


def no_better(scheme: str, collection: Collection) -> Iterator[Evidence]:
    """Difference of the best epochs, `scheme` minus zero padding, with the p value of a test against SIMILAR."""
    for groups in of_scheme(collection, scheme):
        ours, theirs = (each.by_seed(BEST.values(each, collection.metric)) for each in groups)
        found = compare([(seed, value - SIMILAR) for seed, value in ours], theirs)
        # The test is against SIMILAR; estimate and interval are shown as the difference from zero padding itself.
        ends = {name: end + SIMILAR for name in ("mean", "low", "high") if (end := getattr(found, name)) is not None}
        printed = BEST.paper_difference(groups[0], collection.metric)
        yield Evidence(groups[0].network, replace(found, **ends), printed)


def steadier(collection: Collection) -> Iterator[Evidence]:
    """Ratio of the standard deviations over the runs, partial / zero padding."""
    for groups in of_scheme(collection, PARTIAL):
        sides = [BEST.values(each, collection.metric) for each in groups]
        rows = [BEST.paper_row(each, collection.metric) for each in groups]
        # The paper's two stdev have one convention (studies/stats/spread.py), so their ratio compares with ours.
        printed = rows[0]["stdev"] / rows[1]["stdev"] if all(row and "stdev" in row for row in rows) else None
        yield Evidence(groups[0].network, compare_spread(*sides), printed)


def sooner(collection: Collection) -> Iterator[Evidence]:
    """Difference of the epochs to each target that all runs reached, partial minus zero padding."""
    found = reached(collection)
    zeros = {(each.group.network, each.target): each.paper for each in found if each.group.padding == REFERENCE}
    for each in found:
        if each.group.padding == PARTIAL and each.difference is not None:
            zero = zeros[each.group.network, each.target]
            printed = None if None in (each.paper, zero) else float(each.paper - zero)
            yield Evidence(f"{each.group.network}, {each.target:g} %", each.difference, printed)


def of_curves(of: Callable[[list[float]], float], collection: Collection) -> Iterator[Evidence]:
    """Difference of `of(values)`, partial minus zero padding; values are a run's at the epochs that all runs have."""
    for groups in of_scheme(collection, PARTIAL):
        curves = [[run.curve(collection.metric) for run in each.runs] for each in groups]
        # A run that was resumed or validated rarely may lack epochs.
        epochs = sorted(set.intersection(*(set(curve) for side in curves for curve in side)))
        if epochs:
            values = [[of([curve[epoch] for epoch in epochs]) for curve in side] for side in curves]
            sides = (each.by_seed(side) for each, side in zip(groups, values, strict=True))
            yield Evidence(groups[0].network, compare(*sides))


def drift(values: list[float]) -> float:
    """Mean fall of the value from one epoch to the next; a rise counts as 0."""
    # Without the 0, rises and falls would cancel and leave first minus last.
    return mean([max(0.0, before - after) for before, after in pairwise(values)] or [0.0])


# fmt: off
CLAIMS = (
    Claim("Partial padding reaches a better accuracy (or mIoU) than zero padding", "Tables 2 and 5", "accuracy",
          "best epoch, partial − zero, points", True, partial(ahead, BEST)),
    Claim("It does so by the average of the last five epochs as well", "Table 3", "accuracy",
          "last five epochs, partial − zero, points", True, partial(ahead, LAST5)),
    Claim("Reflection padding performs similarly to zero padding or worse", "Table 2, section 1", "accuracy",
          f"best epoch, reflect − zero, points, against {SIMILAR:+g}", False, partial(no_better, "reflect"), SIMILAR),
    Claim("Replication padding performs similarly to zero padding or worse", "Table 2, section 1", "accuracy",
          f"best epoch, replicate − zero, points, against {SIMILAR:+g}", False, partial(no_better, "replicate"),
          SIMILAR),
    Claim("Runs with partial padding scatter less", "Tables 2 and 3", "accuracy",
          "standard deviation of best epochs, partial / zero", False, steadier, 1.0),
    Claim("Partial padding takes fewer epochs to the same accuracy", "Figure 3", "convergence",
          "epochs to the target, partial − zero", False, sooner),
    Claim("At the same epoch partial padding is ahead", "Figure 3", "convergence",
          "mean lead over all epochs, partial − zero, points", True, partial(of_curves, mean)),
    Claim("Training with partial padding is steadier, with fewer drifts", "Figure 3, section 4.1", "convergence",
          "fall from epoch to epoch, partial − zero, points", False, partial(of_curves, drift)),
)
# fmt: on
