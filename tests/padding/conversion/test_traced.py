"""Traced by torch.jit and torch.fx: what eager gives, at sizes that were not seen while tracing."""

import pytest
import torch

from padding import convert_padding
from tests.support.padded_nets import SMALL_NETS, build, error, images, sizes, whole_network
from tests.support.without_padding import run_saved

pytestmark = pytest.mark.filterwarnings("ignore")  # torch.jit is deprecated, and warns of timm's own comparisons

# A trace keeps the batch of a mixture of filters, which is a number of groups, as it keeps every number of groups.
FIXED_BATCH = {"conditional", "efficientnet_cc_b0_4e"}


def saved_and_loaded(traced, folder):
    torch.jit.save(traced, folder / "traced.pt")
    return torch.jit.load(folder / "traced.pt")


@pytest.mark.parametrize("scheme", ["partial", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("name", SMALL_NETS)
@torch.no_grad()
def test_a_traced_network_serves_every_size(name, scheme, tmp_path):
    net = build(name)
    convert_padding(net, scheme)
    first, *later = sizes(name)
    traced = saved_and_loaded(torch.jit.trace(net, images(2, first)), tmp_path)
    for size in later:
        x = images(2 if name in FIXED_BATCH else 3, size)
        assert error(traced(x), net(x)) < 1e-5, size


@pytest.mark.parametrize("scheme", ["partial", "reflect"])
@pytest.mark.parametrize("name", ["1d", "2d", "3d", "tensorflow same"])
@torch.no_grad()
def test_a_symbolic_trace_serves_every_size(name, scheme):
    net = build(name)
    convert_padding(net, scheme)
    graph = torch.fx.symbolic_trace(net)
    for size in sizes(name):
        x = images(2, size)
        assert error(graph(x), net(x)) < 1e-5, size


@pytest.mark.parametrize(
    "name",
    [
        "test_resnet",
        "test_efficientnet",
        *(
            pytest.param(name, marks=pytest.mark.slow)
            for name in ("test_nfnet", "resnetblur18", "tf_efficientnet_b0", "efficientnet_cc_b0_4e", "resnet50")
        ),
    ],
)
@torch.no_grad()
def test_whole_networks(name, tmp_path):
    # In float64: a 5x5 window that holds one position has 25 times its weight, and after untrained layers of such
    # windows float32 itself is off by 1e-4 of the output.
    model = whole_network(name, "partial").double()
    traced = saved_and_loaded(torch.jit.trace(model, images(2, (64, 96)).double()), tmp_path)
    for size in ((97, 66), (130, 33), (32, 32)):
        x = images(2 if name in FIXED_BATCH else 3, size).double()
        assert error(traced(x), model(x)) < 1e-10, size


@torch.no_grad()
def test_a_saved_trace_needs_nothing_of_this_package(tmp_path):
    net = build("2d")
    convert_padding(net, "partial")
    first, *_, last = sizes("2d")
    torch.jit.save(torch.jit.trace(net, images(2, first)), tmp_path / "net.pt")
    x = images(3, last)
    assert error(run_saved(tmp_path, "torch.jit.load('net.pt')", x), net(x)) < 1e-5


def test_a_traced_network_has_the_gradients_of_the_eager_one():
    net = build("2d")
    convert_padding(net, "partial")
    first, *later = sizes("2d")
    traced = torch.jit.trace(net, images(2, first))
    x = images(2, later[0])
    traced(x).square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    net(x).square().sum().backward()
    assert all(
        error(gradient, parameter.grad) < 1e-4 for gradient, parameter in zip(gradients, net.parameters(), strict=True)
    )
