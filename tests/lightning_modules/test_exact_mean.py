"""Sums of losses are exact: neither batches nor processes nor the order of the images change a digit."""

import math

import pytest
import torch
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from lightning_modules.classification import ImageMetrics
from lightning_modules.exact_mean import ExactMean


@pytest.fixture(scope="module")
def logits():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(2000, 10, generator=generator) * 5, torch.randint(0, 10, (2000,), generator=generator)


@pytest.mark.parametrize("size", [1, 7, 64, 2000])
def test_losses_of_images_do_not_depend_on_the_batches(logits, size):
    metrics = ImageMetrics((1, 5))
    for images, targets in zip(*(each.split(size) for each in logits), strict=True):
        metrics.update(images, targets)
    expected = ImageMetrics((1, 5))
    expected.update(*(each.flip(0) for each in logits))
    assert metrics.compute() == expected.compute()
    mean = torch.nn.functional.cross_entropy(logits[0].double(), logits[1]).item()
    assert metrics.compute()["loss"] == pytest.approx(mean, rel=1e-7)


def test_the_sum_over_processes_is_exact(logits):
    values, whole = logits[0].exp().flatten(), ExactMean()
    parts = [ExactMean() for _ in range(3)]
    whole.update(values)
    for rank, part in enumerate(parts):
        part.update(values[rank::3])
    for name in whole._defaults:
        assert getattr(whole, name) == sum(getattr(part, name) for part in parts)


def test_it_takes_up_the_sums_of_older_checkpoints():
    old, new = MeanMetric(), ExactMean()
    for loss, images in ((2.5, 16), (1.25, 8)):
        old.update(loss, weight=images)
    new.take_up({name: getattr(old, name) for name in old._defaults})
    new.update(torch.tensor(4.0), weight=8)
    assert new.compute() == pytest.approx((2.5 * 16 + 1.25 * 8 + 4 * 8) / 32, rel=1e-7)


def test_accuracies_are_torchmetrics_and_take_up_its_sums():
    logits, targets = torch.randn(3, 40, 7), torch.randint(-1, 7, (3, 40))
    ours = ImageMetrics((1, 5))
    theirs = {k: MulticlassAccuracy(7, top_k=k, average="micro", ignore_index=-1) for k in (1, 5)}
    for metric in theirs.values():
        metric.update(logits[0], targets[0])
    for k, metric in theirs.items():
        getattr(ours, f"acc{k}").take_up({name: getattr(metric, name) for name in metric._defaults})
    for batch in zip(logits[1:], targets[1:], strict=True):
        ours.update(*batch)
        for metric in theirs.values():
            metric.update(*batch)
    for k, metric in theirs.items():
        assert ours.compute()[f"acc{k}"] == pytest.approx(100 * float(metric.compute()), rel=1e-6)


def test_weights_and_what_no_integer_holds():
    mean = ExactMean()
    mean.update(torch.tensor(2.0), weight=torch.tensor(3))
    mean.update(torch.tensor(6.0), weight=1)
    assert mean.compute() == 3
    mean.update(torch.tensor(1e30))
    assert mean.compute() == pytest.approx(2e29)
    for value in (math.inf, math.nan):
        mean.update(torch.tensor(value))
        assert str(mean.compute()) == str(value)
    assert math.isnan(ExactMean().compute())
