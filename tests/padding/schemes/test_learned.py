"""Schemes with parameters: each position, their start, derivatives, and what a conversion does with them."""

import copy
import itertools
import pickle

import pytest
import timm
import torch
from timm.layers import BlurPool2d, Conv2dSame, StdConv2d
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn.utils import prune

import padding
from padding import PaddingError, convert_padding, layer_class

LEARNED = ("constant", "explicit", "pad_channel")
CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
GEOMETRIES = {
    "3": {"kernel_size": 3, "padding": 1},
    "strided groups": {"kernel_size": 5, "padding": 2, "stride": 2, "groups": 2},
    "even, dilated": {"kernel_size": (4, 2, 2), "padding": "same", "dilation": (1, 2, 1)},
    "wider than the map": {"kernel_size": (9, 3, 1), "padding": (5, 1, 0), "bias": False},
}
SIZES = (6, 7, 4)


def layer_and_map(scheme, axes, shape):
    options = {key: value[:axes] if isinstance(value, tuple) else value for key, value in GEOMETRIES[shape].items()}
    layer = layer_class(CONVOLUTIONS[axes], scheme)(2, 4, **options, dtype=torch.float64)
    return layer, torch.randn(2, 2, *SIZES[:axes], dtype=torch.float64)


def displacement(start, reach, size):
    """How far a window lies over the border: before it, behind it, the larger of both."""
    before, behind = max(0, -start), max(0, start + reach - (size - 1))
    return behind if behind > before else -before


def oracle(layer, x, scheme, at):
    """One output position, tap by tap."""
    learned, weight = layer.padding_learned, layer.weight
    pads = layer.padding_site.padding(layer)
    starts = [o * s - before for o, s, (before, _) in zip(at, layer.stride, pads, strict=True)]
    if scheme == "explicit":
        shape = [before + after + 1 for before, after in pads]
        moved = [
            displacement(start, d * (k - 1), n) + before
            for start, d, k, n, (before, _) in zip(
                starts, layer.dilation, layer.kernel_size, x.shape[2:], pads, strict=True
            )
        ]
        cases = list(itertools.product(*map(range, shape)))
        cases.remove(tuple(before for before, _ in pads))
        weight = weight if tuple(moved) not in cases else learned[cases.index(tuple(moved))]
        assert len(learned) == len(cases)
    total = torch.zeros(x.shape[0], layer.out_channels, dtype=x.dtype)
    for tap in itertools.product(*map(range, layer.kernel_size)):
        place = [start + t * d for start, t, d in zip(starts, tap, layer.dilation, strict=True)]
        inside = all(0 <= i < n for i, n in zip(place, x.shape[2:], strict=True))
        for o in range(layer.out_channels):
            for c in range(layer.in_channels // layer.groups):
                channel = o // (layer.out_channels // layer.groups) * (layer.in_channels // layer.groups) + c
                beyond = learned[channel] if scheme == "constant" else 0.0
                total[:, o] += weight[(o, c, *tap)] * (x[(slice(None), channel, *place)] if inside else beyond)
            if scheme == "pad_channel" and inside:
                total[:, o] += learned[(o, *tap)]
    return total if layer.bias is None else total + layer.bias


@pytest.mark.parametrize("scheme", LEARNED)
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("shape", GEOMETRIES)
@torch.no_grad()
def test_every_position_is_the_oracles(scheme, axes, shape):
    """Of `explicit` every case has weights of its own here, the corners' too."""
    layer, x = layer_and_map(scheme, axes, shape)
    layer.padding_learned.normal_()
    y = layer(x)
    positions = list(itertools.product(*map(range, y.shape[2:])))
    for at in positions[:: max(1, len(positions) // 40)] + positions[-1:]:
        torch.testing.assert_close(y[(..., *at)], oracle(layer, x, scheme, at))
    torch.testing.assert_close(torch.vmap(layer)(x[:, None])[:, 0], y)


@pytest.mark.parametrize(
    ("scheme", "name"), [*((scheme, "test_resnet") for scheme in LEARNED), ("explicit", "tf_efficientnet_b0")]
)
def test_training_starts_at_zero_padding(scheme, name):
    model = timm.create_model(name).train()
    x = torch.randn(2, 3, 64, 64)
    state = copy.deepcopy(model.state_dict())
    expected = model(x)
    model.load_state_dict(state)
    report = convert_padding(model, scheme)
    new = {key for key, _ in model.named_parameters()} - state.keys()
    assert len(new) == 1 or scheme != "pad_channel"
    assert new == {f"{layer}.padding_learned" for layer in report.converted}
    assert report.learned == sum(model.get_parameter(key).numel() for key in new)
    y = model(x)
    assert torch.equal(y, expected)
    y.square().mean().backward()
    assert all(model.get_parameter(key).grad.isfinite().all() for key in new)
    assert any(model.get_parameter(key).grad.any() for key in new)
    convert_padding(model, "zero")
    assert list(model.state_dict()) == list(state)


@pytest.mark.parametrize("scheme", LEARNED)
def test_derivatives(scheme):
    layer, x = layer_and_map(scheme, 2, "3")
    nn.init.normal_(layer.padding_learned)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    operands = (x[:1, :, :4, :4].clone().requires_grad_(), *layer.parameters())
    assert gradcheck(call, operands, fast_mode=True)
    assert gradgradcheck(call, operands, fast_mode=True)


def test_the_interiors_weights_learn_nothing_from_the_border_under_explicit():
    layer, x = layer_and_map("explicit", 2, "3")
    layer(x)[..., 0, :].sum().backward()
    assert layer.weight.grad.abs().max() < 1e-12
    assert layer.padding_learned.grad[:3].any()
    assert not layer.padding_learned.grad[3:].any()


def test_parameters_come_and_go_with_the_scheme():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3)).double()
    convert_padding(model, "constant")
    shapes = [tuple(layer.padding_learned.shape) for layer in (model[0], model[2])]
    assert shapes == [(3,), (4,)]
    assert model[2].padding_learned.dtype == torch.float64
    nn.init.normal_(model[2].padding_learned)
    kept, x = model[2].padding_learned, torch.randn(1, 3, 5, 5).double()
    y = model(x)
    convert_padding(model, "constant")
    assert model[2].padding_learned is kept, "converting again starts anew"
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin(x), y)
        assert list(twin.state_dict()) == list(model.state_dict())
    with padding.padded(model, "explicit"):
        assert tuple(model[2].padding_learned.shape) == (8, 4, 4, 3, 3)
    assert model[2].padding_learned is kept
    assert torch.equal(model(x), y)
    with pytest.raises(PaddingError):
        convert_padding(nn.Sequential(model, nn.LazyConv2d(1, 3, padding=1)), "partial")
    with pytest.raises(PaddingError, match="cannot run on the example"):
        convert_padding(model, "partial", example=torch.ones(1, 7, 4, 4).double())
    assert model[2].padding_learned is kept, "a refused conversion left traces"
    convert_padding(model, "explicit")
    weights = {"0.weight": torch.ones(4, 3, 3, 3).double(), "0.bias": torch.zeros(4).double()}
    model.load_state_dict({**weights, "2.weight": torch.ones(4, 4, 3, 3).double(), "2.bias": torch.zeros(4).double()})
    assert (model[0].padding_learned == 1).all(), "weights of zero padding start as in a conversion"
    model[0].reset_parameters()
    assert torch.equal(model[0].padding_learned[0], model[0].weight), (
        "fresh weights, and filters of others at the border"
    )
    convert_padding(model, "partial")
    assert not any("learned" in key for key in model.state_dict())


def test_which_layers_take_parameters():
    model = nn.Sequential(StdConv2d(3, 4, 3, padding=1), BlurPool2d(4, pad_mode="constant"), Conv2dSame(4, 4, 3, 2))
    report = convert_padding(model, "constant")
    assert (report.converted, report.unsupported) == (["0", "2"], ["1"])
    report = convert_padding(model, "explicit")
    assert (report.converted, report.unsupported) == (["2"], ["0", "1"])
    assert "computes its weights" in report.reasons["0"]
    assert len(model[2].padding_learned) == 8
    first = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, padding=1))
    report = convert_padding(first, "pad_channel")
    assert (report.converted, report.left) == (["0", "1"], ["2"])
    assert "is for the first convolution" in report.reasons["2"]
    turned = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ZeroPad2d(1), nn.Conv2d(4, 4, 3))
    assert convert_padding(turned, "pad_channel").left == ["1", "2"]
    assert turned(torch.ones(1, 3, 4, 4)).shape == (1, 4, 4, 4)


def test_an_optimiser_made_before_is_warned_of():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    for scheme in ("constant", "zero"):
        with pytest.warns(UserWarning, match=r"an optimiser \(SGD\) was made before .*model.parameters") as caught:
            convert_padding(model, scheme)
        assert caught[0].filename == __file__
    del optimiser


def test_a_function_has_no_parameters():
    with pytest.raises(PaddingError, match="'constant' has parameters, which a function has not"):
        padding.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), padding=1, scheme="constant")


@pytest.mark.parametrize("scheme", LEARNED)
@pytest.mark.parametrize("dtype", [torch.bfloat16, "autocast"])
def test_precisions(scheme, dtype):
    layer = layer_class(nn.Conv2d, scheme)(3, 4, 3, padding=1, dtype=None if dtype == "autocast" else dtype)
    with torch.no_grad():
        layer.padding_learned.add_(0.5)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "autocast"):
        y = layer(torch.randn(1, 3, 5, 6, dtype=layer.weight.dtype))
    assert y.dtype == torch.bfloat16
    exact = copy.deepcopy(layer).double()
    assert exact.padding_learned.dtype == torch.float64
    y.sum().backward()
    assert layer.padding_learned.grad.any()
    x = torch.zeros(1, 3, 5, 6)
    torch.testing.assert_close(exact(x.double()), layer(x.to(layer.weight.dtype)).double(), atol=0.02, rtol=0.02)


def test_an_example_does_not_start_parameters_anew():
    """A padding module in front makes the conversion run the model as it was built, without them."""
    model = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 4, 3))
    convert_padding(model, "constant")
    nn.init.constant_(model[1].padding_learned, 2)
    convert_padding(model, "constant", example=torch.randn(1, 3, 6, 6))
    assert model[1].padding_learned.tolist() == [2, 2, 2]


def test_parameters_that_were_pruned_or_replicated_are_seen():
    layer = nn.Conv2d(3, 4, 3, padding=1)
    convert_padding(layer, "constant")
    x = torch.randn(1, 3, 6, 6)
    wanted = layer(x)
    prune.identity(layer, "padding_learned")
    torch.testing.assert_close(layer(x), wanted)


def test_weights_that_are_computed_leave_no_border_kernels_behind():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3, padding=1))
    assert convert_padding(nn.Sequential(layer), "explicit").unsupported == ["0"]
