"""Whole images padded to one size, with and without a mask, against how the same images are evaluated otherwise."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torchmetrics import Metric

from lightning_modules.padded_network import reset

PADDED, UNMASKED = "padded", "unmasked"
"""Images on a canvas: the network is told which part of it is image, or is told nothing and sees zeros there."""


@dataclass(frozen=True)
class Pair:
    """One way of showing images to a network against another, image by image.

    Attributes:
        ours, theirs: the two ways.
        images: how many were counted.
        better: those of which more was right in `ours`; of a classified image all or nothing is right.
        worse: those of which less was.
        predictions: images that were classified, or pixels.
        otherwise: those given another class.
    """

    ours: str
    theirs: str
    images: int
    better: int
    worse: int
    predictions: int
    otherwise: int


@dataclass(frozen=True)
class Compared:
    """What came of a comparison over all processes.

    Attributes:
        baseline: how the images are evaluated otherwise: "cropped" or "alone".
        figures: for each way, name to value of its metrics, in percent but for the loss.
        pairs: each way on the canvas against the baseline, and the two against each other.
    """

    baseline: str
    figures: dict[str, dict[str, float]]
    pairs: list[Pair]


class PairCounts(Metric):
    """Counts of a Pair, integers, so that their sum over processes is exact."""

    full_state_update = False

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(5, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, ours: torch.Tensor, theirs: torch.Tensor, targets: torch.Tensor) -> None:
        """Counts classes (N, P) of P predictions in each of N images, all of which have a target."""
        right, others = ((classes == targets).sum(1) for classes in (ours, theirs))
        better, worse, otherwise = (right > others).sum(), (right < others).sum(), (ours != theirs).sum()
        images, predictions = (better.new_tensor(number) for number in (len(targets), targets.numel()))
        self.counts += torch.stack([images, better, worse, predictions, otherwise])

    def compute(self) -> torch.Tensor:
        return self.counts


class PaddedComparison(nn.Module):
    """The metrics of images on a canvas, and the pairs.

    Args:
        baseline: name of the way that the images are evaluated otherwise.
        make_metrics: of a way on the canvas; called once for each.
    """

    def __init__(self, baseline: str, make_metrics: Callable[[], nn.ModuleDict]) -> None:
        super().__init__()
        self.baseline = baseline
        self.metrics = nn.ModuleDict({PADDED: make_metrics(), UNMASKED: make_metrics()})
        self._pairs = [(PADDED, baseline), (UNMASKED, baseline), (PADDED, UNMASKED)]
        self.counts = nn.ModuleList([PairCounts() for _ in self._pairs])

    def reset(self) -> None:
        """Forgets all sums."""
        for metrics in self.metrics.values():
            reset(metrics)
        for counts in self.counts:
            counts.reset()

    def count(self, classes: dict[str, torch.Tensor], targets: torch.Tensor) -> None:
        """Counts classes (N, P) that each way gives; P predictions in each of N images, all of which have a target."""
        for (ours, theirs), counts in zip(self._pairs, self.counts, strict=True):
            counts.update(classes[ours], classes[theirs], targets)

    def compute(self, figures: dict[str, dict[str, float]]) -> Compared:
        """The counts over all processes, with the `figures` of every way: every process must ask."""
        pairs = [
            Pair(ours, theirs, *counts.compute().tolist())
            for (ours, theirs), counts in zip(self._pairs, self.counts, strict=True)
        ]
        return Compared(self.baseline, figures, pairs)
