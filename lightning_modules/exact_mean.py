"""A mean whose sum is exact, so that it does not depend on batch size, number of processes or order of the images."""

import torch
from torch import nn
from torchmetrics import Metric

UNIT = 2**24
"""Values are rounded to multiples of 1 / UNIT, 6e-8 nats, and summed as integers."""

LIMIT = 2.0**29
"""Bound of value times weight for the exact sum, of which 1,000 still fit into int64; larger ones, infinity and NaN
are summed as floats."""


class ExactMean(Metric):
    """The weighted mean of per-image values, over all batches and processes.

    A sum of floats depends on its order, and so on the batch size and the number of processes. Unlike torchmetrics'
    MeanMetric this class keeps NaN: looking for NaN, to drop it, would synchronise with the device.

    >>> mean = ExactMean()
    >>> mean.update(torch.tensor([1.0, 2.0]))
    >>> mean.update(torch.tensor(5.0), weight=2)
    >>> mean.compute()
    3.25
    """

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")
        self.add_state("rest", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, values: torch.Tensor, weight: torch.Tensor | int = 1) -> None:
        """Adds `values`, (N,) or a scalar, each `weight` (an integer) times."""
        # At least float32: products in float16 would overflow above 65,504.
        values = values.to(torch.promote_types(values.dtype, torch.float32))
        # torch.full fills it on the device: copying a number there would synchronise with the device.
        weights = weight if isinstance(weight, torch.Tensor) else torch.full((), weight, device=values.device)
        weights = weights.expand(values.shape)
        weighted = values * weights
        fits = weighted.abs() < LIMIT  # False for NaN
        self.total += ((values.where(fits, 0) * UNIT).round().long() * weights).sum()
        self.rest += weighted.where(~fits, 0).sum()
        self.count += weights.sum()

    def take_up(self, state: dict[str, torch.Tensor]) -> None:
        """Takes over the sums of torchmetrics' MeanMetric or MulticlassAccuracy, which older checkpoints hold."""
        self.reset()
        if "mean_value" in state:
            weight = state["weight"]
            self.update(state["mean_value"] / weight.clamp(min=1), weight.round().long())
        else:
            # Every image is a true positive or a false negative of its class.
            self.total, self.count = state["tp"].sum() * UNIT, (state["tp"] + state["fn"]).sum()

    def compute(self) -> float:
        """The mean; NaN if there are no values."""
        total, count = int(self.total), int(self.count)
        return (total / UNIT + float(self.rest)) / count if count else float("nan")


class EpochMetrics(nn.Module):
    """The metrics of an epoch by name; each image or pixel counts once over all processes."""

    def __init__(self, **metrics: Metric) -> None:
        super().__init__()
        for name, metric in metrics.items():
            self.add_module(name, metric)

    def reset(self) -> None:
        """Sets all sums to 0."""
        for metric in self.children():
            metric.reset()

    def compute(self) -> dict[str, float]:
        """The values to log, by name; the same on every process."""
        return {name: metric.compute() for name, metric in self.named_children()}
