"""A new scheme, and a new convolution, each added in one place."""

import pickle
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import padding
import padding.registry
from padding import PaddingError, convert_padding, register_convolution, register_scheme

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch):
    monkeypatch.setattr(padding.registry, "_SCHEMES", dict(padding.registry._SCHEMES))
    monkeypatch.setattr(padding.registry, "_CONVOLUTIONS", dict(padding.registry._CONVOLUTIONS))


class Doubling(nn.Conv2d):
    """A convolution that timm does not have."""

    def forward(self, x):
        return F.conv2d(x, 2 * self.weight, self.bias, self.stride, self.padding)


def test_available_schemes():
    """The five of the paper's comparison, and nothing that the table of schemes in the docs leaves out."""
    table = (ROOT / "docs/schemes.md").read_text().partition("\n## ")[0]
    assert {"zero", "partial", "reflect", "replicate", "circular"} <= set(padding.available_schemes())
    named = {name.replace(":N", ":2") for name in re.findall(r"^\| `([\w:]+)` \|", table, re.MULTILINE)}
    assert named == set(padding.available_schemes()) - {"extrapolate:3"}


def test_a_new_scheme_reaches_every_convolution():
    @register_scheme("of_ones", survives_fusing=True)
    def pad_with_ones(input, weight, bias, geometry):
        (top, bottom), (left, right) = geometry.pads
        padded = F.pad(input, (left, right, top, bottom), value=1.0)
        return F.conv2d(padded, weight, bias, geometry.stride, 0, geometry.dilation, geometry.groups)

    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1))
    x = torch.randn(1, 1, 4, 4)
    expected = F.conv2d(F.pad(x, (1,) * 4, value=1.0), model[0].weight, model[0].bias)
    assert convert_padding(model, "of_ones").converted == ["0"]
    torch.testing.assert_close(model(x), expected)
    torch.testing.assert_close(pickle.loads(pickle.dumps(model))(x), expected)
    with pytest.raises(PaddingError, match="'of_ones' exists already"):
        register_scheme("of_ones", survives_fusing=True)(pad_with_ones)


def test_a_new_convolution_reaches_every_scheme():
    model = nn.Sequential(Doubling(1, 1, 3, padding=1))
    with pytest.raises(PaddingError, match=r"layer '0' is a .*Doubling.*register_convolution"):
        convert_padding(model, "partial")

    with pytest.raises(PaddingError, match="Doubling needs `padding`"):
        register_convolution(Doubling)(lambda layer, x: x)

    @register_convolution(Doubling, padding=lambda layer: [(layer.padding[0],) * 2, (layer.padding[1],) * 2])
    def doubling(layer, x):
        return layer.convolve(x, 2 * layer.weight, layer.bias)

    plain = padding.PartialConv2d(1, 1, 3, padding=1)
    plain.load_state_dict({"weight": 2 * model[0].weight, "bias": model[0].bias})
    convert_padding(model, "partial")
    x = torch.randn(1, 1, 4, 4)
    torch.testing.assert_close(model(x), plain(x))
    with pytest.raises(PaddingError, match="registered already"):
        register_convolution(Doubling, padding=lambda layer: ())(doubling)
