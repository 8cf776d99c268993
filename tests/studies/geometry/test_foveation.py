"""Foveation: of networks whose map is known, and against images of one pixel sent forward."""

import pytest
import timm
import torch
from torch import nn

from evaluation.context import last_map
from evaluation.errors import EvaluationError
from networks.create import create_network
from records.errors import UserError
from studies.checkpoints.networks import padded_copy
from studies.geometry.foveation import averages, check_linear, foveation, summary


class Chain(nn.Sequential):
    """A network of nothing but these layers."""

    def forward_features(self, images):
        return self(images)


def chain() -> nn.Module:
    return averages(Chain(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1)))


def test_rolling_does_not_change_a_circular_network():
    found = foveation(padded_copy(chain(), "circular"), torch.randn(1, 3, 28, 28))
    assert torch.tensor(found.cells).allclose(torch.ones(28, 28), atol=1e-5)
    assert max(found.left_right, found.top_bottom, abs(found.corner - 1), abs(found.edge - 1)) < 1e-5


def test_two_averages_with_zeros_weigh_pixels_as_a_product_of_axes():
    """A pixel on the edge reaches 2 of 3 windows, one beside it 3, an axis: 5 / 9 and 8 / 9."""
    found = foveation(chain(), torch.randn(1, 3, 28, 28))
    axis = torch.ones(28, dtype=torch.double)
    axis[[0, -1]], axis[[1, -2]] = 5 / 9, 8 / 9
    assert torch.tensor(found.cells).double().allclose(axis[:, None] * axis, atol=1e-5)
    assert found.corner == pytest.approx(25 / 81, abs=1e-5)
    assert found.left_right < 1e-6


def test_of_a_deep_network_it_is_what_single_pixels_send_forward():
    network = averages(create_network("cifar_resnet10", 10).eval())
    images = torch.randn(1, 3, 28, 28)
    check_linear(network, images)
    pixels = torch.eye(28 * 28).view(-1, 1, 28, 28).expand(-1, 3, -1, -1)
    for scheme in ("zero", "partial", "replicate"):
        variant = padded_copy(network, scheme)
        with torch.no_grad():
            weight = last_map(variant, pixels).sum((1, 2, 3)).view(28, 28)
        assert torch.tensor(foveation(variant, images).cells).allclose(
            torch.tensor(summary(weight).cells), rtol=1e-3, atol=1e-4
        ), scheme


def test_a_map_that_leans_is_measured():
    weight = torch.ones(56, 56)
    weight[:, :28] = 3
    found = summary(weight)
    assert found.left_right == pytest.approx(0.5)
    assert found.top_bottom == 0


def test_gates_and_scales_are_taken_out_and_attention_is_refused():
    for name in ("efficientnet_b0", "convnext_atto", "resnet18"):
        network = timm.create_model(name)
        network(torch.randn(2, 3, 64, 64) + 1)  # norms that are not the identity
        check_linear(averages(network.eval()), torch.randn(1, 3, 64, 64))
    with pytest.raises((UserError, EvaluationError), match=r"no last map|not linear"):
        check_linear(averages(timm.create_model("vit_tiny_patch16_224").eval()), torch.randn(1, 3, 224, 224))
