"""The paper's networks are torchvision's, which its authors trained; the small ones are what they say."""

import pytest
import torch
import torchvision

from networks import create_network
from networks.create import PAPER_NETWORKS, NetworkError


def flat(network):
    return [value.reshape(-1) for value in network.state_dict().values()]


@pytest.mark.parametrize("name", PAPER_NETWORKS)
def test_the_papers_networks_have_torchvisions_tensors(name):
    with torch.device("meta"):
        ours, theirs = create_network(name, 1000).state_dict(), getattr(torchvision.models, name)().state_dict()
    if name.startswith("resnet"):
        assert list(ours) == list(theirs)
    # timm's VGG writes hidden linear layers as convolutions.
    assert [value.numel() for value in ours.values()] == [value.numel() for value in theirs.values()]


def test_resnet50_equals_torchvisions_bit_for_bit():
    torch.manual_seed(3)
    ours = create_network("resnet50", 1000)
    torch.manual_seed(3)
    theirs = torchvision.models.resnet50()
    assert all(torch.equal(a, b) for a, b in zip(flat(ours), flat(theirs), strict=True))
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(ours.eval()(images), theirs.eval()(images))


@pytest.mark.slow  # twice 138 M parameters
def test_vgg16_begins_and_computes_as_torchvisions_does():
    torch.manual_seed(0)
    ours, theirs = create_network("vgg16_bn", 1000), torchvision.models.vgg16_bn()
    rates = [m.p for m in ours.modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    assert rates == [m.p for m in theirs.modules() if isinstance(m, torch.nn.Dropout)] == [0.5, 0.5]
    for a, b in zip(flat(ours), flat(theirs), strict=True):
        some, others = a[:100_000], b[:100_000]
        if a.is_floating_point():
            torch.testing.assert_close(some.std(correction=0), others.std(correction=0), rtol=0.1, atol=1e-6)
            # Six standard errors of a mean: the first layer has 1,728 weights.
            allowed = 6 * float(others.std(correction=0)) / len(others) ** 0.5 + 1e-6
            torch.testing.assert_close(some.mean(), others.mean(), rtol=0, atol=allowed)
        a.copy_(b)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), theirs.eval()(images))


@pytest.mark.parametrize(
    ("name", "parameters", "padded"),
    [
        ("cifar_resnet10", 308_826, 9),
        ("cifar_resnet18", 11_173_962, 17),
        ("cifar_vgg8_bn", 293_418, 7),
        ("cifar_vgg16_bn", 14_728_266, 13),
        ("tiny_resnet10", 308_826, 9),
        ("tiny_vgg7_bn", 82_402, 6),
    ],
)
def test_small_networks(name, parameters, padded):
    network = create_network(name, 10)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert sum(isinstance(m, torch.nn.Conv2d) and m.padding != (0, 0) for m in network.modules()) == padded
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(NetworkError, match="no pretrained weights"):
        create_network(name, 10, pretrained=True)


def test_arguments_override_the_papers():
    assert len(PAPER_NETWORKS) == 5
    zero_initialised = create_network("resnet50", 10, zero_init_last=True)
    assert not zero_initialised.layer1[0].bn3.weight.any()
