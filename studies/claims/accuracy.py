"""The paper's claims about accuracy, spread and speed of convergence: section 4.1, Tables 2, 3 and 5, Figure 3.

Partial Convolution based Padding, https://arxiv.org/abs/1811.11718.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from studies.claims.verdict import Claim, Evidence
from studies.convergence.area import areas
from studies.convergence.targets import reached
from studies.runs.collect import PARTIAL, REFERENCE, Collection, Group
from studies.runs.statistic import BEST, LAST5, Statistic
from studies.stats.intervals import compare, compare_spread

SIMILAR = 0.2
"""Percentage points by which reflection or replication may lead and still be called similar. The paper calls its own
leads of up to 0.089 points similar; twice that, rounded up, leaves room for seeds."""


def of_scheme(collection: Collection, scheme: str) -> Iterator[Group]:
    """Groups of `scheme` of every network that was run with zero padding, too."""
    return (group for group in collection.groups if group.padding == scheme and collection.baseline(group))


def ahead(statistic: Statistic) -> Callable[[Collection], list[Evidence]]:
    """Partial minus zero padding."""

    def evidence(collection: Collection) -> list[Evidence]:
        return [
            Evidence(
                group.network,
                statistic.difference(collection, group),
                statistic.paper_difference(group, collection.metric),
            )
            for group in of_scheme(collection, PARTIAL)
        ]

    return evidence


def no_better(scheme: str) -> Callable[[Collection], list[Evidence]]:
    """`scheme` minus zero padding, its p value against SIMILAR."""

    def evidence(collection: Collection) -> list[Evidence]:
        return [_shifted(collection, group) for group in of_scheme(collection, scheme)]

    return evidence


def _shifted(collection: Collection, group: Group) -> Evidence:
    baseline = collection.baseline(group)
    ours, theirs = (each.by_seed(BEST.values(each, collection.metric)) for each in (group, baseline))
    found = compare([(seed, value - SIMILAR) for seed, value in ours], theirs)
    # The test is against the line; estimate and interval are those of the difference itself.
    ends = {name: end + SIMILAR for name in ("mean", "low", "high") if (end := getattr(found, name)) is not None}
    return Evidence(group.network, replace(found, **ends), BEST.paper_difference(group, collection.metric))


def steadier(collection: Collection) -> list[Evidence]:
    """Standard deviation over the runs, partial to zero padding."""
    found = []
    for group in of_scheme(collection, PARTIAL):
        groups = (group, collection.baseline(group))
        sides = [BEST.values(each, collection.metric) for each in groups]
        rows = [BEST.paper_row(each, collection.metric) for each in groups]
        printed = rows[0]["stdev"] / rows[1]["stdev"] if all(row and "stdev" in row for row in rows) else None
        found.append(Evidence(group.network, compare_spread(*sides), printed))
    return found


def sooner(collection: Collection) -> list[Evidence]:
    """Epochs to each target that all runs reached, partial minus zero padding."""
    found = reached(collection)
    zeros = {(each.group.network, each.target): each.paper for each in found if each.group.padding == REFERENCE}
    evidence = []
    for each in found:
        if each.group.padding == PARTIAL and each.difference is not None:
            zero = zeros[each.group.network, each.target]
            printed = None if None in (each.paper, zero) else float(each.paper - zero)
            evidence.append(Evidence(f"{each.group.network}, {each.target:g} %", each.difference, printed))
    return evidence


def leading(collection: Collection) -> list[Evidence]:
    """Mean lead of the curve over the epochs, partial minus zero padding."""
    return [Evidence(each.group.network, each.lead) for each in areas(collection) if each.group.padding == PARTIAL]


def drifting(collection: Collection) -> list[Evidence]:
    """How far the curve falls back from epoch to epoch, partial minus zero padding."""
    found = [each for each in areas(collection) if each.group.padding == PARTIAL]
    return [Evidence(each.group.network, each.drift_difference) for each in found]


CLAIMS = (
    Claim(
        "Partial padding reaches a better accuracy (or mIoU) than zero padding",
        "Tables 2 and 5",
        "accuracy",
        "best epoch, partial − zero, points",
        True,
        ahead(BEST),
    ),
    Claim(
        "It does so by the average of the last five epochs as well",
        "Table 3",
        "accuracy",
        "last five epochs, partial − zero, points",
        True,
        ahead(LAST5),
    ),
    Claim(
        "Reflection padding performs similarly to zero padding or worse",
        "Table 2, section 1",
        "accuracy",
        f"best epoch, reflect − zero, points, against {SIMILAR:+g}",
        False,
        no_better("reflect"),
        SIMILAR,
    ),
    Claim(
        "Replication padding performs similarly to zero padding or worse",
        "Table 2, section 1",
        "accuracy",
        f"best epoch, replicate − zero, points, against {SIMILAR:+g}",
        False,
        no_better("replicate"),
        SIMILAR,
    ),
    Claim(
        "Runs with partial padding scatter less",
        "Tables 2 and 3",
        "accuracy",
        "standard deviation of best epochs, partial / zero",
        False,
        steadier,
        1.0,
    ),
    Claim(
        "Partial padding takes fewer epochs to the same accuracy",
        "Figure 3",
        "convergence",
        "epochs to the target, partial − zero",
        False,
        sooner,
    ),
    Claim(
        "At the same epoch partial padding is ahead",
        "Figure 3",
        "convergence",
        "mean lead over all epochs, partial − zero, points",
        True,
        leading,
    ),
    Claim(
        "Training with partial padding is steadier, with fewer drifts",
        "Figure 3, section 4.1",
        "convergence",
        "fall from epoch to epoch, partial − zero, points",
        False,
        drifting,
    ),
)
