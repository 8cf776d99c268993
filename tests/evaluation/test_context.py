"""Logits in real context: against unpadded convolutions, and whatever the padding of the far border."""

import copy

import pytest
import torch
from torch import nn

from evaluation import EvaluationError, predict_tiled, predict_whole
from evaluation.context import logits_in_context
from networks import DeepLabV3Plus
from networks.create import create_network
from padding import convert_padding


def dense():
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 5, padding=2)]
    return nn.Sequential(*layers).double().requires_grad_(False)


def test_a_dense_network_gives_what_it_gives_without_any_padding():
    network, images = dense(), torch.randn(2, 3, 16, 22).double()
    unpadded = copy.deepcopy(network)
    unpadded[0].padding = unpadded[2].padding = 0
    assert torch.allclose(logits_in_context(network, images, 3), unpadded(images))


def test_tiles_with_context_have_no_seams():
    network, image = dense(), torch.randn(3, 26, 32).double()

    def evaluated(images):
        return logits_in_context(network, images, 3)

    whole = predict_whole(evaluated, image, 3)
    assert whole.shape == (5, 20, 26)
    for overlap in (0, 1 / 3):
        assert torch.allclose(predict_tiled(evaluated, image, 8, overlap, margin=3), whole)
    assert not torch.allclose(predict_tiled(network, image[:, 3:-3, 3:-3], 8, 0), whole)


@pytest.mark.parametrize("name", ["resnet", "deeplab"])
def test_with_enough_context_the_scheme_does_not_matter(name):
    """The pooled value of DeepLab, too, is of the image without its margin."""
    torch.manual_seed(0)
    if name == "resnet":
        network, margin, side = create_network("cifar_resnet10", 10), 32, 16
    else:
        network = DeepLabV3Plus("tiny_resnet10", 5, 16, head_channels=8, skip_channels=4, atrous_rates=[1, 2])
        margin, side = 128, 33
    network = network.double().eval().requires_grad_(False)
    images = torch.randn(1, 3, side + 2 * margin, side + 2 * margin).double()
    other = copy.deepcopy(network)
    convert_padding(other, "replicate")
    inside = images[..., margin:-margin, margin:-margin]
    assert not torch.allclose(network(inside), other(inside), rtol=1e-3)
    found = logits_in_context(network, images, margin)
    assert found.shape == network(inside).shape
    assert torch.allclose(found, logits_in_context(other, images, margin), atol=1e-9)
    # Nor do pixels out of reach.
    images[..., :8, :] = 5
    assert torch.allclose(found, logits_in_context(network, images, margin), atol=1e-9)


@pytest.mark.parametrize(
    ("name", "side", "margin"), [("cifar_resnet10", 25, 32), ("cifar_resnet10", 28, 40), ("mambaout_femto", 65, 96)]
)
def test_the_small_image_has_as_many_positions_as_alone(name, side, margin):
    """At sides that are no multiple of the stride, too, and where maps are (N, h, w, C)."""
    torch.manual_seed(0)
    network = create_network(name, 10).eval().requires_grad_(False)
    images = torch.randn(2, 3, side + 2 * margin, side + 8 + 2 * margin)
    inside = images[..., margin:-margin, margin:-margin]
    large, small = network.forward_features(images), network.forward_features(inside)
    spatial = (1, 2) if name == "mambaout_femto" else (2, 3)
    for axis in spatial:
        large = large.narrow(axis, (large.shape[axis] - small.shape[axis]) // 2, small.shape[axis])
    assert torch.allclose(logits_in_context(network, images, margin), network.forward_head(large), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "margin", "words"),
    [
        ("cifar_resnet10", 3, "margin of 3 pixels does not fit a network of stride 8"),
        ("vit_tiny_patch16_224", 16, "no last map"),
    ],
)
def test_a_margin_that_does_not_fit_is_refused(name, margin, words):
    size = 224 - 2 * margin if name.startswith("vit") else 28
    network = create_network(name, 10).eval()
    with pytest.raises(EvaluationError, match=words), torch.no_grad():
        logits_in_context(network, torch.zeros(1, 3, size + 2 * margin, size + 2 * margin), margin)
