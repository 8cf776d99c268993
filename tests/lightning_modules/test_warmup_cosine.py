"""Other recipes than the paper's: warm-up and cosine, smoothed and mixed targets."""

import math

import numpy as np
import pytest
import torch

from lightning_modules import ClassificationModule, WarmupCosine


def rates(**settings):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.4)
    schedule = WarmupCosine(optimizer, **settings)
    found = []
    for _ in range(settings["epochs"]):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def test_the_rate_rises_linearly_and_falls_along_half_a_cosine():
    assert rates(epochs=8, warmup=3) == pytest.approx(
        [0.1, 0.2, 0.3, 0.4, *(0.4 * (1 + math.cos(math.pi * k / 5)) / 2 for k in range(1, 5))]
    )
    assert rates(epochs=2, warmup=0, final=0.5) == pytest.approx([0.4, 0.3])


def loss_of(images, targets, **settings):
    torch.manual_seed(0)
    np.random.seed(1)
    built = ClassificationModule("tiny_resnet10", "zero", 10, **settings).eval()
    return built, built.training_step((images.clone(), targets)).item()


def test_targets_are_smoothed_and_mixed_as_their_papers_say():
    """One share lam a batch, image i mixed with image n - 1 - i; the loss by probabilities written out."""
    images, targets = torch.randn(4, 3, 24, 24), torch.tensor([1, 2, 3, 4])
    built, mixed = loss_of(images, targets, mixup=0.4, label_smoothing=0.1)
    np.random.seed(1)
    np.random.rand()  # whether this batch is mixed: always
    share = np.random.beta(0.4, 0.4)
    log = built.network(share * images + (1 - share) * images.flip(0)).log_softmax(1)
    smooth = torch.full((4, 10), 0.01) + 0.9 * torch.eye(10)[targets]
    wanted = -(log * (share * smooth + (1 - share) * smooth.flip(0))).sum(1).mean()
    assert mixed == pytest.approx(wanted.item(), rel=1e-5)
    built, smoothed = loss_of(images, targets, label_smoothing=0.1)
    log = built.network(images).log_softmax(1)
    assert smoothed == pytest.approx(-(log * smooth).sum(1).mean().item(), rel=1e-5)
