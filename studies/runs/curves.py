"""A group's curve: mean and spread of a metric at each epoch."""

from dataclasses import dataclass

from studies.runs.collect import Group
from studies.stats.spread import mean, stdev


@dataclass(frozen=True)
class CurvePoint:
    """One epoch (from 1, as on an axis) of a group's curve, in percent; `std` is None for one run."""

    epoch: int
    mean: float
    std: float | None
    n: int
    lowest: float
    highest: float


def curve(group: Group, metric: str) -> list[CurvePoint]:
    """Mean and spread of `metric` at every epoch that any run of `group` has."""
    curves = [run.curve(metric) for run in group.runs]
    points = []
    for epoch in sorted({epoch for each in curves for epoch in each}):
        found = [each[epoch] for each in curves if epoch in each]
        points.append(CurvePoint(epoch + 1, mean(found), stdev(found), len(found), min(found), max(found)))
    return points
