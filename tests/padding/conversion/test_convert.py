"""What convert_padding changes, what it keeps, and what it says."""

import copy
import io
import json
import pickle
import warnings

import pytest
import timm
import torch
from timm.layers import Conv2dSame, StdConv2d
from torch import nn
from torch.nn.utils import parametrize

from padding import ConversionReport, PaddingError, convert_padding
from padding.conversion.layers import PaddedLayer

SCHEMES = ("zero", "partial", "reflect", "replicate", "circular", "zero,circular", "extrapolate:2", "lp1")


class Net(nn.Module):
    """One of each, and a layer that is used twice."""

    def __init__(self):
        super().__init__()
        shared = nn.Conv2d(4, 4, 3, padding=1)
        self.stem = Conv2dSame(3, 4, 3, stride=2)
        self.first, self.again = shared, shared
        self.padded = nn.Sequential(nn.ZeroPad2d((1, 0, 1, 0)), nn.Conv2d(4, 4, 2), nn.BatchNorm2d(4))
        self.standardised = StdConv2d(4, 4, 3)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.up = nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1)
        self.point = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.again(self.first(self.stem(x)))
        return self.point(self.up(self.pool(self.standardised(self.padded(x)))))


@pytest.fixture
def net():
    return Net().eval()


@pytest.fixture
def x():
    return torch.randn(2, 3, 15, 18)


def converted(scheme):
    names = ["stem", "first", "padded.0", "padded.1", "standardised"]
    return [*names, "up"] if scheme == "partial" else names


def test_report(net):
    report = convert_padding(net, "partial")
    assert isinstance(report, ConversionReport)
    assert report.converted == converted("partial")
    assert report.left == ["pool"]
    assert report.unsupported == []
    assert "-inf" in report.reasons["pool"]
    assert report.kinds["stem"] == "Conv2dSame"
    assert json.loads(json.dumps(report.to_dict()))["converted"] == converted("partial")
    assert "2 Conv2d" in str(report)
    assert "pool" in str(report)
    assert type(net.point) is nn.Conv2d, "an unpadded convolution was touched"


def test_from_any_scheme_to_any_other_and_back(net, x):
    keys, state = list(net.state_dict()), copy.deepcopy(net.state_dict())
    identities = [id(parameter) for parameter in net.parameters()]
    classes = [type(module) for module in net.modules()]
    attributes = [set(module.__dict__) for module in net.modules()]
    outputs = {}
    for scheme in SCHEMES:
        convert_padding(net, scheme)
        outputs[scheme] = net(x)
        convert_padding(net, "zero")
    for source in SCHEMES:
        for target in SCHEMES:
            convert_padding(net, source)
            report = convert_padding(net, target)
            assert report.converted == converted(target)
            assert report.left == ["pool"] + [name for name in ("up",) if name not in report.converted]
            assert torch.equal(net(x), outputs[target]), (source, target)
            assert convert_padding(net, target).to_dict() == report.to_dict()
            assert torch.equal(net(x), outputs[target]), "not idempotent"
            assert [id(parameter) for parameter in net.parameters()] == identities
            assert list(net.state_dict()) == keys
    assert len({float(y.detach().sum()) for y in outputs.values()}) == len(SCHEMES), "two schemes agree"
    convert_padding(net, "zero")
    assert [type(module) for module in net.modules()] == classes
    assert [set(module.__dict__) for module in net.modules()] == attributes
    net.load_state_dict(state, strict=True)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies_and_pickles(net, x, scheme):
    convert_padding(net, scheme)
    expected = net(x)
    saved = io.BytesIO()
    torch.save(net, saved)
    saved.seek(0)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net)), torch.load(saved, weights_only=False)):
        assert torch.equal(twin(x), expected)
        assert twin.first is twin.again
        assert [type(module) for module in twin.modules()] == [type(module) for module in net.modules()]
        convert_padding(twin, "zero")
        assert not any(isinstance(module, PaddedLayer) for module in twin.modules())
    assert torch.equal(net(x), expected), "a copy is tied to its original"


@pytest.mark.parametrize(
    "unpaired",
    [
        nn.Sequential(nn.ZeroPad2d(1), nn.ReLU(), nn.Conv2d(1, 1, 3)),
        nn.Sequential(nn.ZeroPad2d((-1, 1, 0, 0)), nn.Conv2d(1, 1, 3)),
        nn.ModuleDict({"pad": nn.ZeroPad2d(1), "conv": nn.Conv2d(1, 1, 3)}),
        nn.Sequential(pad := nn.ZeroPad2d(1), nn.Conv2d(1, 1, 3), pad, nn.Conv2d(1, 1, 3)),
        nn.Sequential(nn.ZeroPad2d(1), shared := nn.Conv2d(1, 1, 3), nn.ReLU(), shared),
    ],
)
def test_a_zero_pad_that_cannot_be_paired_is_reported(unpaired):
    model = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), unpaired)
    report = convert_padding(model, "partial")
    assert report.converted == ["0"]
    assert len(report.unsupported) == 1
    assert type(next(iter(unpaired.children()))) is nn.ZeroPad2d
    convert_padding(model, "zero", strict=True)
    with pytest.raises(PaddingError, match=report.unsupported[0]):
        convert_padding(model, "partial", strict=True)
    assert type(model[0]) is nn.Conv2d, "a refused conversion left traces"


def test_timm_blocks_that_pad_inside_are_reported():
    with torch.device("meta"):
        model = timm.create_model("hgnetv2_b0")
    report = convert_padding(model, "partial")
    assert report.unsupported == ["stem"]
    assert "stem2a" in report.reasons["stem"]
    with pytest.raises(PaddingError, match="stem"):
        convert_padding(model, "reflect", strict=True)


def test_nothing_to_convert_warns_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        report = convert_padding(nn.Sequential(nn.Conv2d(1, 1, 3), nn.Linear(2, 2)), "partial")
    assert len(caught) == 1
    assert "changes nothing" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert report.converted == []


def test_a_parametrised_layer_is_converted_and_restored(x):
    class Halve(nn.Module):
        def forward(self, weight):
            return weight / 2

    layer = nn.Conv2d(3, 2, 3, padding=1)
    parametrize.register_parametrization(layer, "weight", Halve())
    before = layer(x)
    convert_padding(nn.Sequential(layer), "replicate")
    peer = nn.Conv2d(3, 2, 3, padding=1, padding_mode="replicate")
    peer.load_state_dict({"weight": layer.weight.detach(), "bias": layer.bias.detach()})
    torch.testing.assert_close(layer(x), peer(x))
    convert_padding(nn.Sequential(layer), "zero")
    assert torch.equal(layer(x), before)
    convert_padding(layer, "replicate")
    expected = layer(x)
    parametrize.remove_parametrizations(layer, "weight")
    assert torch.equal(layer(x), expected)
    convert_padding(layer, "zero")
    assert type(layer) is nn.Conv2d
