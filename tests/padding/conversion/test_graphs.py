"""Compiled: the same numbers, for sizes not seen before."""

import pytest
import timm
import torch
from timm.layers import Conv2dSame
from torch import nn

import padding
from padding import convert_padding


@pytest.fixture(autouse=True)
def _fresh_compiler():
    torch._dynamo.reset()


def small_net():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 5, padding=2, dilation=1, bias=False)
    )
    return nn.Sequential(net, Conv2dSame(4, 2, 3, stride=2))


SIZES = [(8, 11), (9, 12), (14, 10), (8, 11)]


@pytest.mark.parametrize("scheme", ["partial", "reflect", "replicate", "circular"])
def test_compiled_with_dynamic_shapes(scheme):
    net = small_net()[0] if scheme == "circular" else small_net()  # circular SAME recompiles for every parity
    convert_padding(net, scheme)
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="eager")
    for size in SIZES:
        x = torch.randn(2, 3, *size)
        torch.testing.assert_close(compiled(x), net(x))


def test_compiled_training_by_inductor():
    net = padding.PartialConv2d(3, 4, 3, padding=1)
    compiled = torch.compile(net, fullgraph=True)
    x = torch.randn(2, 3, 8, 8)
    compiled(x).square().sum().backward()
    gradients = [parameter.grad.clone() for parameter in net.parameters()]
    net.zero_grad()
    net(x).square().sum().backward()
    for gradient, parameter in zip(gradients, net.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-4)


def test_partial_recompiles_no_more_than_zero():
    counts = {}
    for scheme in ("zero", "partial"):
        torch._dynamo.reset()
        net = small_net()
        convert_padding(net, scheme)
        counter = torch._dynamo.testing.CompileCounterWithBackend("eager")
        compiled = torch.compile(net, fullgraph=True, backend=counter)
        for size in ((8, 11), (9, 12), (14, 10), (16, 16), (30, 22)):
            compiled(torch.randn(2, 3, *size))
        counts[scheme] = counter.frame_count
    assert counts["partial"] <= counts["zero"]


def test_a_whole_network_under_autocast_and_compile():
    model = timm.create_model("test_resnet").eval()
    convert_padding(model, "partial")
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        y = model(x)
        compiled = torch.compile(model, fullgraph=True, backend="aot_eager")(x)
    assert y.dtype == compiled.dtype == torch.bfloat16
    exact = model(x)
    scale = exact.abs().max()
    assert (y - exact).abs().max() < 0.05 * scale
    assert (compiled - exact).abs().max() < 0.05 * scale
