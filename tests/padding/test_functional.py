"""padding.conv1d, conv2d, conv3d against layers, and against torch's own functions."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import padding
from padding import PaddingError, available_schemes, convert_padding
from padding.registry import find_scheme

FUNCTIONS = [name for name in available_schemes() if find_scheme(name).start is None]  # no parameters
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@pytest.mark.parametrize(
    ("axes", "scheme"),
    [
        (axes, scheme)
        for scheme in FUNCTIONS
        for axes in (1, 2, 3)
        if (axes, scheme) not in ((1, "earth"), (3, "earth"))
    ],
)
def test_equals_a_layer(axes, scheme):
    layer = LAYERS[axes](4, 6, 3, stride=2, padding=1, dilation=(1, 2, 1)[:axes], groups=2).eval()
    convert_padding(layer, scheme)
    x = torch.randn(2, 4, *(7, 8, 6)[:axes])
    function = getattr(padding, f"conv{axes}d")
    options = (layer.stride, layer.padding, layer.dilation, layer.groups)
    assert torch.equal(function(x, layer.weight, layer.bias, *options, scheme=scheme), layer(x))
    assert torch.equal(function(x[0], layer.weight, layer.bias, *options, scheme=scheme), layer(x[0]))


@pytest.mark.parametrize(
    ("pads", "torchs"), [("same", (1, 2, 1, 2)), ("valid", (0,) * 4), (((1, 0), (2, 3)), (2, 3, 1, 0)), ([1], (1,) * 4)]
)
def test_words_and_pairs(pads, torchs):
    x, weight = torch.randn(1, 2, 6, 7), torch.randn(3, 2, 4, 4)
    expected = F.conv2d(F.pad(x, torchs), weight)
    torch.testing.assert_close(padding.conv2d(x, weight, padding=pads, scheme="zero"), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stride": (1, 2, 3)}, "stride has 3 values for 2 axes"),
        ({"padding": "full"}, "padding must be numbers, 'same' or 'valid', got 'full'"),
        ({"weight": torch.ones(1, 1, 3)}, "takes an input of 3 or 4 axes and a weight of 4; these have 4 and 3"),
    ],
)
def test_refusals(options, message):
    with pytest.raises(PaddingError, match=message):
        padding.conv2d(**({"input": torch.ones(1, 1, 3, 3), "weight": torch.ones(1, 1, 3, 3)} | options))
