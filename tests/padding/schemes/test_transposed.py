"""Transposed convolutions under partial padding against taps followed one by one."""

import copy
import itertools
import random

import pytest
import torch
from torch import nn

from padding import PaddingError, convert_padding, layer_class
from padding.conversion.layers import PaddedLayer
from tests.support.padded_nets import images, record
from tests.support.window_oracle import as_map, transposed_oracle

TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


def expect(x, layer, shape, **options):
    """The oracle's whole map."""
    return as_map(transposed_oracle(x, layer, itertools.product(*map(range, shape)), **options), shape)


def random_case(rng, axes):
    kernel, stride, dilation = ([rng.randint(1, high) for _ in range(axes)] for high in (5, 4, 4))
    extra = [rng.randint(0, max(s, d) - 1) for s, d in zip(stride, dilation, strict=True)]
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    sizes = [rng.randint(1, 5) for _ in range(axes)]
    cut = [
        rng.randint(0, min(4, (n * s - s + r + e) // 2)) for n, s, r, e in zip(sizes, stride, reach, extra, strict=True)
    ]
    groups = rng.choice([1, 1, 2])
    layer = TRANSPOSED[axes](
        2 * groups, 3 * groups, kernel, stride, cut, extra, groups, rng.random() < 0.7, dilation, dtype=torch.float64
    )
    return layer, torch.randn(2, 2 * groups, *sizes, dtype=torch.float64)


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_partial_is_the_oracle(axes, path):
    rng = random.Random(axes)
    untouched = 0
    for _ in range((60, 12, 2)[axes - 1]):
        layer, x = random_case(rng, axes)
        before = layer(x).detach()
        torch.testing.assert_close(before, expect(x, layer, before.shape[2:], reweighted=False))
        expected = expect(x, layer, before.shape[2:])
        layer.__class__ = layer_class(TRANSPOSED[axes], "partial")
        for grad in (False, True):
            with torch.set_grad_enabled(grad):
                torch.testing.assert_close(layer(x).detach(), expected, rtol=1e-12, atol=1e-12, msg=repr(layer))
        traced = torch.vmap(layer, in_dims=0)(x[:, None])[:, 0]  # recorded as a formula
        torch.testing.assert_close(traced.detach(), expected, rtol=1e-12, atol=1e-12, msg=repr(layer))
        torch.testing.assert_close(layer(x[0]).detach(), expected[0], rtol=1e-12, atol=1e-12)
        layer.__class__ = TRANSPOSED[axes]
        report = convert_padding(nn.Sequential(nn.Conv1d(1, 1, 3, padding=1), layer), "partial")
        if "1" not in report.converted:
            untouched += 1
            assert torch.equal(expected, before) or torch.allclose(expected, before), f"{layer} was not converted"
    assert axes > 1 or untouched, "no case was free of its border"


def test_output_size_at_the_call():
    plain = nn.ConvTranspose2d(2, 2, 3, 2, padding=1).double()
    layer = copy.deepcopy(plain)
    assert convert_padding(layer, "partial").converted == [""], "its last row may be asked for"
    x = torch.randn(1, 2, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(layer(x), plain(x))  # every output of this size has all of its inputs
    y = layer(x, output_size=(8, 10)).detach()
    torch.testing.assert_close(y, expect(x, plain, (8, 10)))
    assert (y - plain(x, output_size=(8, 10))).abs().max() > 0.01


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(dtype, monkeypatch):
    layer = layer_class(nn.ConvTranspose2d, "partial")(4, 3, 4, 2, padding=1)
    x = torch.randn(2, 4, 6, 5)
    exact = expect(x.double(), copy.deepcopy(layer).double(), (12, 10))
    with torch.autocast("cpu", dtype=dtype):
        y = layer(x)
        monkeypatch.setattr("padding.schemes.transposed.is_traced", lambda *_: True)
        formula = layer(x)
    assert y.dtype == formula.dtype == dtype
    assert max((y - exact).abs().max(), (formula - exact).abs().max()) < 0.02 * exact.abs().max()


def test_gradients(path):
    layer = layer_class(nn.ConvTranspose2d, "partial")(2, 2, 4, 2, padding=1, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    x = torch.randn(1, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(call, (x, *layer.parameters()))


@pytest.mark.filterwarnings("ignore")
def test_compiled_exported_and_traced():
    torch._dynamo.reset()
    net = nn.Sequential(nn.ConvTranspose2d(3, 3, 4, 2, padding=1), nn.ConvTranspose2d(3, 2, 3, 3, output_padding=2))
    convert_padding(net, "partial")
    graphs = record(net, images(2, (5, 4)))
    for sizes in ((5, 4), (6, 7), (9, 3)):
        x = images(3, sizes)
        for name, graph in graphs.items():
            torch.testing.assert_close(graph(x), net(x), msg=lambda text, name=name: f"{name}: {text}")


def test_what_a_conversion_does():
    net = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.ConvTranspose2d(2, 2, 4, 2, 1), nn.ConvTranspose2d(2, 2, 1))
    report = convert_padding(net, "partial")
    assert report.converted == ["0", "1"]
    assert report.left == report.unsupported == []
    assert report.kinds["1"] == "ConvTranspose2d"
    for scheme in ("reflect", "replicate", "circular", "zero"):
        convert_padding(net, "partial")
        report = convert_padding(net, scheme)
        assert report.left == ["1"]
        assert "'partial' alone" in report.reasons["1"]
        assert type(net[1]) is nn.ConvTranspose2d
    with pytest.raises(PaddingError, match="'reflect' says nothing about transposed"):
        layer_class(nn.ConvTranspose2d, "reflect")


def test_what_a_conversion_refuses():
    class Own(nn.ConvTranspose2d):
        def forward(self, input):
            return super().forward(input) * 2

    def beside(layer):
        return nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.Sequential(layer))

    net = beside(Own(2, 2, 4, 2, 1))
    assert convert_padding(net, "partial").unsupported == ["1.0"]
    assert convert_padding(net, "reflect").left == ["1.0"]
    with pytest.raises(PaddingError, match=r"layer '1.0' .*run the model once"):
        convert_padding(beside(nn.LazyConvTranspose2d(2, 4, 2, 1)), "partial")
    patched = nn.ConvTranspose2d(2, 2, 4, 2, 1)
    patched.forward = lambda x: x
    with pytest.raises(PaddingError, match=r"layer '1.0' has a forward of its own"):
        convert_padding(beside(patched), "partial")
    padded = beside(nn.Sequential(nn.ZeroPad2d(1), nn.ConvTranspose2d(2, 2, 4, 2, 1)))
    report = convert_padding(padded, "partial")
    assert report.unsupported == ["1.0.0"], "zeros in front of a transposed convolution are no pair with it"
    assert isinstance(padded[1][0][1], PaddedLayer)
