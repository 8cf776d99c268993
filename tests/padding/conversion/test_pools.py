"""Pools under circular padding: with them a network commutes with rolling its input."""

import pickle

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, convert_padding


def roll_error(model, x, shift=32):
    """How far the features of a rolled image are from the rolled features, over their largest value."""
    with torch.no_grad():
        features, rolled = model.forward_features(x), model.forward_features(x.roll((shift, shift), (2, 3)))
    return float((rolled - features.roll((1, 1), (2, 3))).abs().max() / features.abs().max())


@pytest.mark.parametrize(("name", "kind"), [("resnet18", "MaxPool2d"), ("resnetblur18", "BlurPool2d")])
def test_a_network_commutes_with_rolling(name, kind):
    torch.manual_seed(0)
    model, x = timm.create_model(name).eval().double(), torch.randn(1, 3, 96, 128, dtype=torch.float64)
    report = convert_padding(model, "circular")
    left = [layer for layer in report.left if report.kinds[layer] == kind]
    assert all("pools=True lets its windows go around" in report.reasons[layer] for layer in left)
    assert left
    assert roll_error(model, x) > 1e-4
    assert not convert_padding(model, "circular", pools=True).left
    assert roll_error(model, x) < 1e-12
    assert torch.equal(pickle.loads(pickle.dumps(model))(x), model(x))
    convert_padding(model, "zero")
    assert type(next(layer for path, layer in model.named_modules() if path == left[0])).__name__ == kind


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("name", ["MaxPool", "AvgPool"])
def test_windows_go_around(axes, name):
    """Against the same pool without padding, on a map that was continued by hand."""
    options = {"kernel_size": 3, "stride": 2, "ceil_mode": True}
    pool = getattr(nn, f"{name}{axes}d")(padding=1, **options)
    x = torch.randn(2, 3, *(7, 6, 5)[:axes])
    continued = x
    for axis in range(2, axes + 2):
        continued = torch.cat([continued.narrow(axis, -1, 1), continued, continued.narrow(axis, 0, 1)], axis)
    expected = getattr(nn, f"{name}{axes}d")(**options)(continued)
    assert convert_padding(nn.Sequential(pool, nn.Conv2d(3, 3, 3, padding=1)), "circular", pools=True).converted
    assert torch.equal(pool(x), expected)


def test_what_is_refused_or_left():
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.MaxPool2d(3, padding=1, return_indices=True))
    with pytest.raises(PaddingError, match="pools=True is for 'circular'; 'partial' leaves pools as they are"):
        convert_padding(model, "partial", pools=True)
    assert convert_padding(model, "circular", pools=True).left == ["1"]
    average = nn.AvgPool2d(3, 1, padding=1, divisor_override=5)
    convert_padding(nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), average), "circular", pools=True)
    x = torch.randn(1, 1, 4, 4)
    expected = F.avg_pool2d(F.pad(x, (1, 1, 1, 1), mode="circular"), 3, 1, divisor_override=5)
    assert torch.equal(average(x), expected)
