"""DeepLabV3+: its size and layers by the numbers, its head against a forward pass written out here in float64."""

import pytest
import timm
import torch
from torch import distributed, nn
from torch.nn import functional as F

from networks import DeepLabV3Plus, NetworkError, create_network
from networks.deeplabv3plus import ImageBranch, create_encoder
from padding import PaddingError, available_schemes, convert_padding
from tests.support.padded_nets import norm_relu


def on_meta(encoder, *args, **arguments):
    with torch.device("meta"):
        return DeepLabV3Plus(encoder, 19, *args, **arguments)


def small(**arguments):
    """Small dilations, so that every scheme can pad the 8x8 map of a 64x64 image."""
    torch.manual_seed(0)
    settings = {"head_channels": 12, "skip_channels": 5, "atrous_rates": (2, 3, 4), **arguments}
    return DeepLabV3Plus("tiny_resnet10", 7, **settings)


def convolutions(network):
    return {name: m for name, m in network.named_modules() if isinstance(m, nn.Conv2d)}


def padded(network):
    return [name for name, m in convolutions(network).items() if m.padding != (0, 0)]


@pytest.mark.parametrize(
    ("encoder", "parameters", "trunk", "layers", "pools"),
    [
        ("resnet50", 40_351_040, 23_508_032, 22, ["encoder.maxpool"]),
        ("wide_resnet38", 137_103_936, 105_062_720, 38, ["encoder.pool2", "encoder.pool3"]),
    ],
)
def test_parameters_and_padded_convolutions(encoder, parameters, trunk, layers, pools):
    network = on_meta(encoder)
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert sum(p.numel() for p in network.encoder.parameters()) == trunk
    assert len(padded(network)) == layers
    assert sum(name.startswith(("aspp.", "decoder.")) for name in padded(network)) == 5
    head = [m for part in (network.aspp, network.decoder) for m in part.modules()]
    assert not any(isinstance(m, nn.Dropout | nn.Dropout2d) for m in head)
    assert all(m.bias is None for m in convolutions(network).values())

    state, others = list(network.state_dict()), convolutions(network).keys() - set(padded(network))
    for scheme in ("zero", "partial", "reflect", "replicate", "circular", "lp1"):
        report = convert_padding(network, scheme)
        assert report.converted == padded(network)
        assert report.left == pools
        assert report.unsupported == []
        assert list(network.state_dict()) == state
        assert all(type(network.get_submodule(name)) is nn.Conv2d for name in others)
        assert all((type(network.get_submodule(n)) is nn.Conv2d) == (scheme == "zero") for n in report.converted)


@pytest.mark.parametrize(("output_stride", "rates"), [(8, (12, 24, 36)), (16, (6, 12, 18))])
def test_dilations_of_resnet50_layer_by_layer(output_stride, rates):
    network = on_meta("resnet50", output_stride)
    stages = {8: {"layer3": 2, "layer4": 4}, 16: {"layer4": 2}}[output_stride]
    expected = {
        f"encoder.layer{stage}.{block}.conv2": stages.get(f"layer{stage}", 1)
        for stage, blocks in enumerate((3, 4, 6, 3), start=1)
        for block in range(blocks)
    }
    expected |= {f"aspp.branches.{place}.0": rate for place, rate in enumerate(rates, start=1)}
    expected |= {f"decoder.refine.{place}.0": 1 for place in range(2)}
    found = {name: m for name, m in convolutions(network).items() if m.kernel_size == (3, 3)}
    assert {name: m.dilation for name, m in found.items()} == {name: (d, d) for name, d in expected.items()}
    assert {name: m.padding for name, m in found.items()} == {name: (d, d) for name, d in expected.items()}
    strided = {name for name, m in found.items() if m.stride == (2, 2)}
    assert strided == {f"encoder.layer{stage}.0.conv2" for stage in ((2,) if output_stride == 8 else (2, 3))}


def test_dilations_of_other_encoders():
    # 3x3 projections and basic blocks count too; 7x7 stems do not.
    with torch.device("meta"):
        senet, basic = create_encoder("senet154", 8, {}), create_encoder("resnet18", 8, {})
    for network in (senet, basic):
        for stage, dilation in {"layer1": 1, "layer2": 1, "layer3": 2, "layer4": 4}.items():
            spatial = [m for m in convolutions(network[stage]).values() if m.kernel_size == (3, 3)]
            assert {m.dilation for m in spatial} == {m.padding for m in spatial} == {(dilation, dilation)}
    assert senet["layer4"][0].downsample[0].kernel_size == (3, 3)
    tiny = small().encoder
    assert [m.dilation for m in convolutions(tiny["layer4"]).values() if m.kernel_size == (3, 3)] == [(2, 2)] * 2
    # A network with blocks of its own stays as timm makes it.
    with torch.device("meta"):
        ours = create_encoder("regnetx_002", 8, {})
        theirs = timm.create_model("regnetx_002", features_only=True, output_stride=8)
    assert [m.dilation for m in convolutions(ours).values()] == [m.dilation for m in convolutions(theirs).values()]


@pytest.mark.parametrize(
    ("encoder", "output_stride", "skip_stride", "skip_channels"),
    [
        ("resnet50", 8, 4, 256),
        ("wide_resnet38", 8, 2, 128),
        ("tiny_resnet10", 8, 4, 32),
        ("cifar_resnet10", 8, 4, 64),
        ("mobilenetv3_small_050", 8, 4, 8),
        ("convnext_atto", 16, 4, 40),
    ],
)
def test_maps_have_the_strides_asked_for(encoder, output_stride, skip_stride, skip_channels):
    network = on_meta(encoder, output_stride)
    images = torch.empty(2, 3, 128, 192, device="meta")
    features = network.encoder(images)
    assert features[-1].shape[2:] == (128 // output_stride, 192 // output_stride)
    skip = features[network.skip_index]
    assert skip.shape == (2, skip_channels, 128 // skip_stride, 192 // skip_stride)
    assert network.decoder.skip.in_channels == skip_channels
    assert network(images).shape == (2, 19, 128, 192)


@pytest.mark.parametrize(
    ("encoder", "arguments", "message"),
    [
        ("resnet50", {"output_stride": 32}, "output_stride must be 8 or 16, not 32"),
        ("resnet5", {}, "encoder 'resnet5' at output_stride 8: timm has no model 'resnet5'; close names"),
        ("vgg16_bn", {}, "timm cannot build 'vgg16_bn'.*choose one that takes timm's features_only and output_stride"),
        ("vit_tiny_patch16_224", {}, "unexpected keyword argument 'output_stride'.*choose one"),
        ("tiny_vgg7_bn", {}, "timm cannot build 'tiny_vgg7_bn'.*choose one"),
        ("cifar_resnet10", {"output_stride": 16}, "cifar_resnet10 has output_stride 2, 4, 8, not 16"),
        ("resnet18", {"encoder_args": {"out_indices": (0, 1)}}, "encoder_args must not contain out_indices"),
        ("resnet18", {"encoder_args": {"colour": "red"}}, "unexpected keyword argument 'colour'"),
    ],
)
def test_what_cannot_be_built_is_refused(encoder, arguments, message):
    with pytest.raises(NetworkError, match=message):
        on_meta(encoder, **arguments)


def test_an_encoder_without_the_skips_stride_is_refused(monkeypatch):
    monkeypatch.setattr("networks.deeplabv3plus.SKIP_STRIDE", 3)
    with pytest.raises(NetworkError, match=r"'resnet18' has features of strides 2, 4, 8, 8, 8, none of stride 3"):
        on_meta("resnet18")


def test_the_skip_is_the_deepest_map_of_its_stride(monkeypatch):
    monkeypatch.setattr("networks.deeplabv3plus.SKIP_STRIDE", 2)
    network = small()
    assert network.encoder.feature_info.reduction()[:3] == [2, 2, 4]
    assert network.skip_index == 1


def test_an_encoder_that_misses_the_output_stride_is_refused(monkeypatch):
    class Stubborn(nn.Module):
        feature_info = timm.models.FeatureInfo([{"num_chs": 8, "reduction": 32, "module": "x"}], (0,))

    monkeypatch.setattr("networks.deeplabv3plus.create_network", lambda *args, **arguments: Stubborn())
    with pytest.raises(NetworkError, match="its last feature has stride 32"):
        DeepLabV3Plus("resnet18", 19)


def test_initialisation():
    network = DeepLabV3Plus("resnet50", 19)
    for name, module in convolutions(network).items():
        taps = module.kernel_size[0] * module.kernel_size[1]
        # Kaiming: by fan out in timm's trunk, by fan in in the head.
        fan = taps * (module.out_channels if name.startswith("encoder.") else module.in_channels)
        torch.testing.assert_close(module.weight.std().item(), (2 / fan) ** 0.5, rtol=0.05, atol=0)
    # The paper's ResNets have no zero-initialised residuals.
    assert all(block.bn3.weight.all() for block in network.encoder["layer4"])


def bilinear(x, size):
    """Aligned corners: output i lies at i * (in - 1) / (out - 1), as one matrix an axis."""
    for axis, out in zip((2, 3), size, strict=True):
        count = x.shape[axis]
        position = torch.arange(out, dtype=x.dtype) * ((count - 1) / (out - 1) if out > 1 else 0)
        distance = (position[:, None] - torch.arange(count, dtype=x.dtype)).abs()
        x = torch.movedim(torch.movedim(x, axis, -1) @ (1 - distance).clamp(min=0).T, -1, axis)
    return x


def head_by_hand(features, state, rates, size, training):
    skip, deep = features
    pooled = F.conv2d(deep.mean((2, 3))[:, :, None, None], state["aspp.image.convolution.weight"])
    image = norm_relu(pooled, state, "aspp.image.norm", training)
    looks = [bilinear(image, deep.shape[2:])]
    for place, rate in enumerate((1, *rates)):
        weight = state[f"aspp.branches.{place}.0.weight"]
        padding = rate if place else 0
        y = F.conv2d(deep, weight, padding=padding, dilation=rate)
        looks.append(norm_relu(y, state, f"aspp.branches.{place}.1", training))
    context = F.conv2d(torch.cat(looks, 1), state["aspp.projection.weight"])
    y = torch.cat([F.conv2d(skip, state["decoder.skip.weight"]), bilinear(context, skip.shape[2:])], 1)
    for place in range(2):
        y = F.conv2d(y, state[f"decoder.refine.{place}.0.weight"], padding=1)
        y = norm_relu(y, state, f"decoder.refine.{place}.1", training)
    return bilinear(F.conv2d(y, state["decoder.classifier.weight"]), size)


@pytest.mark.parametrize("training", [False, True])
def test_the_head_equals_its_description(training):
    network = small().double()
    for name, tensor in network.state_dict().items():  # no batch norm may be the identity
        if tensor.dim() == 1:
            tensor.copy_(torch.rand_like(tensor) + 0.5 if "bias" not in name else torch.randn_like(tensor) / 2)
    network.train(training)
    state = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.randn(2, 3, 75, 101, dtype=torch.float64)
    ours = network(images)
    network.load_state_dict(state)  # training has moved the running statistics
    features = network.encoder(images)
    theirs = head_by_hand((features[2], features[4]), state, (2, 3, 4), (75, 101), training)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("size", [(1, 1), (2, 33), (33, 47), (64, 64), (65, 64), (97, 41)])
def test_any_size_of_image(size):
    logits = small().eval()(torch.randn(1, 3, *size))
    assert logits.shape == (1, 7, *size)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("scheme", "dtype"),
    [(scheme, "autocast") for scheme in available_schemes() if scheme != "earth"]  # odd widths
    + [("partial", dtype) for dtype in (torch.float32, torch.float64, torch.bfloat16)],
)
def test_every_scheme_trains(scheme, dtype):
    autocast, dtype = dtype == "autocast", torch.float32 if dtype == "autocast" else dtype
    network = small().to(dtype)
    assert scheme == "pad_channel" or convert_padding(network, scheme).converted == padded(network)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        logits = network(torch.randn(1, 3, 64, 72, dtype=dtype))
    assert logits.dtype == (torch.bfloat16 if autocast else dtype)
    logits.float().square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_too_small_a_map_names_the_layer():
    network = small().eval()
    convert_padding(network, "reflect")
    with pytest.raises(PaddingError, match=r"aspp\.branches\.3\.0"):
        network(torch.randn(1, 3, 32, 64))


class TestOneValuePerChannel:
    """Batch 1 on one process: the image branch's batch norm has a single value a channel."""

    def branch(self, sync=False):
        torch.manual_seed(5)
        branch = ImageBranch(6, 4).double()
        nn.init.uniform_(branch.norm.running_mean, -1, 1)
        nn.init.uniform_(branch.norm.running_var, 1, 2)
        nn.init.uniform_(branch.norm.weight)
        return nn.SyncBatchNorm.convert_sync_batchnorm(branch) if sync else branch

    @pytest.mark.parametrize("sync", [False, True])
    def test_alone_it_takes_the_running_statistics_and_leaves_them(self, sync):
        branch = self.branch(sync)
        assert isinstance(branch.norm, nn.SyncBatchNorm) == sync
        before = {key: value.clone() for key, value in branch.state_dict().items()}
        maps = torch.randn(1, 6, 5, 9, dtype=torch.float64)
        trained = branch.train()(maps)
        assert all(torch.equal(value, before[key]) for key, value in branch.state_dict().items())
        assert torch.equal(trained, branch.eval()(maps))
        assert not torch.equal(trained, branch(maps + 1))
        branch.train()(maps).sum().backward()
        assert all(p.grad.abs().sum() > 0 for p in branch.parameters())

    @pytest.mark.parametrize("sync", [False, True])
    def test_two_images_have_statistics_of_their_own(self, sync):
        branch = self.branch(sync).train()
        maps = torch.randn(2, 6, 5, 9, dtype=torch.float64)
        pooled = F.conv2d(maps.mean((2, 3), keepdim=True), branch.convolution.weight)
        normalised = (pooled - pooled.mean(0)) / (pooled.var(0, correction=0) + 1e-5).sqrt()
        expected = (normalised * branch.norm.weight[:, None, None] + branch.norm.bias[:, None, None]).clamp(min=0)
        torch.testing.assert_close(branch(maps), expected)
        assert branch.norm.num_batches_tracked == 1

    @pytest.mark.parametrize(
        ("sync", "processes", "synchronised"), [(True, 2, True), (True, 1, False), (False, 2, False)]
    )
    def test_several_processes_make_several_values_where_the_norm_is_synchronised(
        self, monkeypatch, sync, processes, synchronised
    ):
        branch = self.branch(sync).train()
        monkeypatch.setattr(distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(distributed, "get_world_size", lambda group=None: processes)
        called = []
        # torch's own synchronised forward pass needs GPUs.
        monkeypatch.setattr(type(branch.norm), "forward", lambda norm, x: called.append(norm) or x)
        branch(torch.randn(1, 6, 5, 9, dtype=torch.float64))
        assert bool(called) == synchronised

    def test_all_other_norms_train_on_a_single_image(self):
        network = small().train()
        network(torch.randn(1, 3, 64, 64))
        tracked = {
            name: m.num_batches_tracked.item() for name, m in network.named_modules() if isinstance(m, nn.BatchNorm2d)
        }
        assert tracked.pop("aspp.image.norm") == 0
        assert set(tracked.values()) == {1}


@pytest.mark.parametrize(
    ("name", "stem", "native"), [("tiny_resnet10", 2, 16), ("cifar_resnet10", 1, 8), ("cifar_resnet18", 1, 8)]
)
def test_small_resnets_have_the_strides_that_they_claim(name, stem, native):
    for output_stride in (native // 4, native // 2, native, None):
        arguments = {} if output_stride is None else {"output_stride": output_stride}
        with torch.device("meta"):
            features = create_network(name, 0, features_only=True, **arguments)
            maps = features(torch.empty(1, 3, 96, 64))
        strides = features.feature_info.reduction()
        assert strides == [min(s * stem, output_stride or native) for s in (1, 1, 2, 4, 8)]
        assert [map.shape[2:] for map in maps] == [(96 // stride, 64 // stride) for stride in strides]
        assert [map.shape[1] for map in maps] == features.feature_info.channels()
