"""WideResNet38 against the numbers of its paper and a forward pass written out here, in float64."""

import importlib

import pytest
import timm
import torch
from torch.nn import functional as F

from networks import NetworkError, create_network
from networks.wide_resnet38 import PreActivationBlock, _Stage
from tests.support.padded_nets import norm_relu

TRUNK = 105_062_720

DILATIONS = {8: {"mod5": 2, "mod6": 4, "mod7": 4}, 16: {"mod6": 2, "mod7": 2}, 32: {}}
STRIDES = {8: ("mod4",), 16: ("mod4", "mod5"), 32: ("mod4", "mod5", "mod6")}


def on_meta(**arguments):
    with torch.device("meta"):
        return timm.create_model("wide_resnet38", **arguments)


def count(network):
    return sum(p.numel() for p in network.parameters())


def convolutions(network):
    return {name: m for name, m in network.named_modules() if isinstance(m, torch.nn.Conv2d)}


def test_parameters_of_trunk_and_classifier():
    classifier = on_meta(num_classes=1000)
    assert count(classifier) == TRUNK + 2 * 4096 + 1000 * (4096 + 1)
    assert count(on_meta(num_classes=0)) == TRUNK + 2 * 4096
    # The feature network ends with mod7's raw sum: no batch norm behind it.
    features = on_meta(features_only=True)
    assert count(features) == TRUNK
    assert [name for name, _ in features.named_children()][-1] == "mod7"
    # 17 blocks of two or three convolutions, mod1, and a projection where mod2 to mod7 begin.
    assert len(convolutions(classifier)) == 1 + 15 * 2 + 2 * 3 + 6
    assert all(convolution.bias is None for convolution in convolutions(classifier).values())
    blocks = {"mod2": 3, "mod3": 3, "mod4": 6, "mod5": 3, "mod6": 1, "mod7": 1}
    assert {name: len(getattr(classifier, name)) for name in blocks} == blocks
    assert [m.p for m in classifier.modules() if isinstance(m, torch.nn.Dropout2d)] == [0.3, 0.5]


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_features_have_the_strides_and_channels_that_they_claim(output_stride):
    network = on_meta(features_only=True, output_stride=output_stride)
    assert network.feature_info.channels() == [128, 256, 512, 1024, 4096]
    assert network.feature_info.reduction() == [min(stride, output_stride) for stride in (2, 4, 8, 16, 32)]
    features = network(torch.empty(1, 3, 97, 161, device="meta"))
    for feature, channels, stride in zip(
        features, network.feature_info.channels(), network.feature_info.reduction(), strict=True
    ):
        assert feature.shape == (1, channels, -(-97 // stride), -(-161 // stride))
    two = on_meta(features_only=True, output_stride=output_stride, out_indices=(0, 2))
    assert two.feature_info.channels() == [128, 512]
    assert [map.shape[1] for map in two(torch.empty(1, 3, 64, 64, device="meta"))] == [128, 512]


def fill(module):
    """Random values everywhere, batch statistics included, so that no layer is the identity."""
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5 if tensor.dim() == 1 else torch.randn_like(tensor) / 8)
    return module.double()


def block_by_hand(x, state, prefix, stride, dilation, drop=0.0, training=False):
    """He et al. 2016: x + F(a) or P(a) + F(a), a = relu(bn(x)); dropout before a bottleneck's last convolution."""
    a = norm_relu(x, state, f"{prefix}norm1", training)
    projection = state.get(f"{prefix}projection.weight")
    shortcut = x if projection is None else F.conv2d(a, projection, stride=stride)
    inner = {
        int(key.split(".")[-2]): value
        for key, value in state.items()
        if key.startswith(f"{prefix}residual") and value.dim() == 4
    }
    norms = [int(key.split(".")[-2]) for key in state if key.startswith(f"{prefix}residual") and "mean" in key]
    for place, weight in enumerate(inner.values()):
        if place:
            a = norm_relu(a, state, f"{prefix}residual.{norms[place - 1]}", training)
        if place == 2 and drop and training:
            a = F.dropout2d(a, drop)
        wide = weight.shape[-1] == 3
        a = F.conv2d(a, weight, None, stride if not place else 1, dilation * wide, dilation if wide else 1)
    return shortcut + a


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    ("channels", "stride", "dilation", "drop"),
    [
        ((8, 8), 1, 1, 0.0),
        ((8, 8), 2, 1, 0.0),
        ((6, 12), 1, 2, 0.0),
        ((4, 6, 12), 1, 4, 0.5),
        ((4, 6, 8), 2, 1, 0.3),
    ],
)
def test_a_block_equals_its_formula(channels, stride, dilation, drop, training):
    torch.manual_seed(1)
    block = fill(PreActivationBlock(8, channels, stride, dilation, drop)).train(training)
    state = {key: value.clone() for key, value in block.state_dict().items()}
    x = torch.randn(3, 8, 13, 11, dtype=torch.float64)
    before = x.clone()
    torch.manual_seed(2)
    ours = block(x)
    torch.manual_seed(2)
    theirs = block_by_hand(x, state, "", stride, dilation, drop, training)
    torch.testing.assert_close(ours, theirs)
    assert torch.equal(x, before)  # the raw sum is the shortcut, and a feature: no ReLU may write into it


def narrow(monkeypatch):
    """The same stages with 4 to 24 channels and fewer blocks."""
    stages = [
        _Stage("mod2", 2, (4, 6)),
        _Stage("mod3", 1, (8, 8)),
        _Stage("mod4", 2, (8, 8)),
        _Stage("mod5", 1, (8, 12)),
        _Stage("mod6", 1, (4, 8, 16), 0.3),
        _Stage("mod7", 1, (8, 12, 24), 0.5),
    ]
    # The package's attribute of that name is the function.
    monkeypatch.setattr(importlib.import_module("networks.wide_resnet38"), "_STAGES", tuple(stages))
    return stages


@pytest.mark.parametrize("output_stride", [8, 16, 32])
def test_the_whole_network_equals_its_description(monkeypatch, output_stride):
    stages = narrow(monkeypatch)
    torch.manual_seed(3)
    network = fill(timm.create_model("wide_resnet38", num_classes=7, output_stride=output_stride)).eval()
    state = network.state_dict()
    images = torch.randn(2, 3, 49, 61, dtype=torch.float64)
    x, raw = F.conv2d(images, state["mod1.weight"], padding=1), {}
    for name, blocks, *_ in stages:
        if name in ("mod2", "mod3"):
            x = F.max_pool2d(x, 3, 2, 1)
        dilation = DILATIONS[output_stride].get(name, 1)
        for number in range(blocks):
            stride = 2 if number == 0 and name in STRIDES[output_stride] else 1
            x = block_by_hand(x, state, f"{name}.{number}.", stride, dilation)
        raw[name] = x
    logits = F.linear(norm_relu(x, state, "norm", False).mean((2, 3)), state["fc.weight"], state["fc.bias"])
    torch.testing.assert_close(network(images), logits)
    torch.testing.assert_close(network.forward_head(network.forward_features(images)), logits)

    features = timm.create_model("wide_resnet38", features_only=True, output_stride=output_stride).double().eval()
    features.load_state_dict({key: value for key, value in state.items() if not key.startswith(("norm.", "fc."))})
    taps = features(images)
    for ours, name in zip(taps, ("mod2", "mod3", "mod4", "mod5", "mod7"), strict=True):
        torch.testing.assert_close(ours, raw[name], msg=name)


def test_it_has_the_interface_of_timms_models(monkeypatch):
    narrow(monkeypatch)
    network = create_network("wide_resnet38", 5, drop_rate=0.2).eval()
    images = torch.randn(2, 3, 32, 32)
    assert network(images).shape == (2, 5)
    assert network.get_classifier().out_features == network.num_classes == 5
    assert network.num_features == network.head_hidden_size == 24
    assert network.forward_head(network.forward_features(images), pre_logits=True).shape == (2, 24)
    network.reset_classifier(9)
    assert network(images).shape == (2, 9)
    assert not network.fc.weight.is_meta
    network.reset_classifier(0, "")
    assert network(images).shape == (2, 24, 1, 1)
    assert timm.is_model("wide_resnet38")
    assert create_network("wide_resnet38", 5, in_chans=1)(images[:, :1]).shape == (2, 5)


def test_what_it_cannot_be_is_refused():
    with pytest.raises(NetworkError, match="no pretrained weights"):
        create_network("wide_resnet38", 10, pretrained=True)
    with pytest.raises(NetworkError, match="output_stride 8, 16 or 32, not 4"):
        create_network("wide_resnet38", 10, output_stride=4)
