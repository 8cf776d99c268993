"""What pads inside a forward, where no layer shows it: reported with an example, refused by strict."""

import pickle
import re
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import deform_conv2d

import padding
from padding import PaddingError, convert_padding
from padding.conversion.layers import PaddedLayer
from tests.padding.conversion.pad_calls import PadCalls
from tests.support.window_oracle import partial_oracle

X = torch.randn(2, 3, 16, 16)


class Net(nn.Module):
    """A 3x3 convolution in whose forward the map is padded by `pad`."""

    def __init__(self, pad, padding=0, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=padding, stride=stride)
        self.pad = pad

    def forward(self, x):
        return self.pad(self, x)


def padded(net, x):
    """As in the down-sampling of diffusers' autoencoders."""
    return net.conv(F.pad(x, (0, 1, 0, 1)))


def written(net, x):
    frame = torch.zeros(x.shape[0], 3, x.shape[2] + 2, x.shape[3] + 2)
    frame[:, :, 1:-1, 1:-1] = x
    return net.conv(frame)


def appended(net, x):
    return net.conv(torch.cat([x, x.new_zeros(x.shape[0], 3, 2, x.shape[3])], 2))


def scattered(net, x):
    frame = x.new_full((x.shape[0], 3, x.shape[2] + 2, x.shape[3]), 0.0)
    return net.conv(torch.slice_scatter(frame, x, 2, 1, -1))


def copied_by_index(net, x):
    return net.conv(x.new_zeros(x.shape[0], 3, x.shape[2] + 1, x.shape[3]).index_copy(2, torch.arange(16), x))


def written_into_zeroed(net, x):
    frame = torch.empty(x.shape[0], 3, x.shape[2] + 2, x.shape[3] + 2).zero_()
    frame[:, :, 1:-1, 1:-1] = x
    return net.conv(frame)


def deformed(net, x):
    offsets = x.new_zeros(x.shape[0], 18, x.shape[2], x.shape[3])
    return deform_conv2d(x, offsets, net.conv.weight, net.conv.bias, padding=1)


def functional(net, x):
    return F.conv2d(x, net.conv.weight, net.conv.bias, padding=1)


def under_scheme(net, x, scheme="zero"):
    return padding.conv2d(x, net.conv.weight, net.conv.bias, 1, 1, scheme=scheme)


def normalised_between(net, x):
    return net.conv(F.relu(F.pad(x, (1, 1, 1, 1)) * 2))


def in_windows(net, x):
    rows = F.unfold(x, 3, padding=1).transpose(1, 2)
    return rows @ net.conv.weight.flatten(1).T


@pytest.mark.parametrize(
    ("pad", "call"),
    [
        (padded, r"pads \(0, 1, 0, 1\) with zeros, read by a convolution"),
        (written, r"writes \(2, 3, 16, 16\) into zeros of \(2, 3, 18, 18\), read by a convolution"),
        (appended, "appends zeros, read by a convolution"),
        (scattered, r"writes \(2, 3, 16, 16\) into zeros of \(2, 3, 18, 16\), read by a convolution"),
        (copied_by_index, r"writes \(2, 3, 16, 16\) into zeros of \(2, 3, 17, 16\), read by a convolution"),
        (written_into_zeroed, r"writes \(2, 3, 16, 16\) into zeros of \(2, 3, 18, 18\), read by a convolution"),
        (deformed, r"convolves with padding \(1, 1\)"),
        (functional, r"convolves with padding \(1, 1\)"),
        (under_scheme, r"convolves with padding \(1, 1\)"),
        (normalised_between, r"pads \(1, 1, 1, 1\) with zeros, read by a convolution"),
        (in_windows, r"cuts windows with padding \(1, 1\)"),
    ],
)
@pytest.mark.parametrize("inference", [False, True])
def test_zero_padding_in_a_forward_is_reported_and_refused_by_strict(pad, call, inference):
    """In inference mode, too, where torch hands composite operations on as they are."""
    with torch.inference_mode(inference):
        model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Net(pad))
        report = convert_padding(model, "partial", example=X)
    assert report.unsupported == ["1"]
    assert report.kinds["1"] == "Net"
    assert re.search(call, report.reasons["1"]), report.reasons
    convert_padding(model, "zero")
    before = model.state_dict()
    with pytest.raises(PaddingError, match=call):
        convert_padding(model, "partial", strict=True, example=X)
    assert type(model[0]) is nn.Conv2d, "the refused conversion left traces"
    assert before.keys() == model.state_dict().keys()


def test_strict_asks_for_an_example_where_it_cannot_know():
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Net(lambda net, x: net.conv(x)))
    with pytest.raises(PaddingError, match=r"layer '1' \(.*Net\) may pad inside its forward.*example=INPUT"):
        convert_padding(model, "partial", strict=True)
    assert str(convert_padding(model, "partial")).endswith("not known (example=INPUT shows it): Net")
    assert "example" not in str(convert_padding(model, "partial", example=X))
    assert convert_padding(model, "partial", strict=True, example=X).converted == ["0"]
    assert convert_padding(model[0], "reflect", strict=True).converted == [""], "torch's own classes are known"


@pytest.mark.parametrize("scheme", ["partial", "partial_sqrt", "mean", "reflect"])
def test_convolutions_as_functions_under_a_scheme_are_not_padded_with_zeros(scheme):
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Net(partial(under_scheme, scheme=scheme), padding=1))
    report = convert_padding(model, "partial", strict=True, example=X)
    assert report.left == ["1"]
    assert report.reasons["1"] == f"inside its forward: convolves by a function under '{scheme}'"


def test_a_weight_that_a_parent_convolves_with_is_not_converted():
    report = convert_padding(Net(functional, padding=1), "partial", example=X)
    assert report.converted == []
    assert report.unsupported == ["conv", ""]
    assert report.reasons["conv"] == "the model itself convolves with its weight, past the layer's own forward"


def test_layers_without_a_weight_stay_converted_beside_a_hidden_pad():
    model = nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(3, 3, 3), nn.MaxPool2d(3, padding=1), Net(padded))
    report = convert_padding(model, "circular", example=X, pools=True)
    assert (report.converted, report.unsupported) == (["0", "1", "2"], ["3"])


@pytest.mark.parametrize("scheme", ["partial", "reflect", "circular"])
def test_the_inner_forward_of_a_convolution_pads_by_the_scheme(scheme):
    """`_conv_forward` with another weight, as layers that normalise or quantise weights call it on a child."""
    model = Net(lambda net, x: net.conv._conv_forward(x, net.conv.weight * 2, net.conv.bias), padding=1)
    report = convert_padding(model, scheme, strict=True, example=X)
    assert report.converted == ["conv"]
    plain = nn.Conv2d(3, 4, 3, padding=1)
    plain.load_state_dict({"weight": model.conv.weight * 2, "bias": model.conv.bias})
    convert_padding(plain, scheme)
    assert torch.equal(model(X), plain(X))
    assert "convolve" not in model.conv.__dict__, "the dry run left its own method behind"


def test_an_inner_forward_on_the_instance_is_refused():
    layer = nn.Conv2d(3, 3, 3, padding=1)
    layer._conv_forward = lambda x, weight, bias: x
    with pytest.raises(PaddingError, match="layer '0' has a _conv_forward of its own on the instance"):
        convert_padding(nn.Sequential(layer), "partial")


def test_padding_that_no_convolution_reads_is_left():
    class Windows(nn.Module):
        def forward(self, x):
            # Two pads in one sum, as of relative positions of rows and columns.
            twice = F.pad(x, (0, 2, 0, 2)) + F.pad(x, (0, 2, 0, 2))
            tokens = twice.unflatten(3, (3, 6)).unflatten(2, (3, 6)).flatten(2)
            return F.avg_pool2d(x, 3, padding=1).sum() + (tokens @ tokens.transpose(1, 2)).sum()

    class Channels(nn.Module):
        def forward(self, x):
            return F.pad(x, (0, 0, 0, 0, 0, 1))

    report = convert_padding(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Channels(), Windows()), "partial", example=X)
    assert (report.left, report.unsupported) == (["2"], [])
    assert "read by a matrix product; pools with padding (1, 1)" in report.reasons["2"]


def test_the_run_leaves_the_model_and_the_generators_as_they_were():
    # An empty Sequential counts as false.
    layers = nn.Sequential(), nn.BatchNorm2d(3), nn.Dropout(), nn.Conv2d(3, 1, 1).eval()
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), *layers)
    modes, mean, state = [m.training for m in model.modules()], model[2].running_mean.clone(), torch.get_rng_state()
    convert_padding(model, "partial", example=X)
    assert modes == [m.training for m in model.modules()]
    assert torch.equal(mean, model[2].running_mean)
    assert torch.equal(state, torch.get_rng_state())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_an_example_that_the_model_cannot_run_on():
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1))
    with pytest.raises(PaddingError, match=r"the model cannot run on the example \(1, 4, 8, 8\): RuntimeError"):
        convert_padding(model, "partial", example=torch.ones(1, 4, 8, 8))
    assert type(model[0]) is nn.Conv2d
    for example in (X, (X,), {"input": X}):
        assert convert_padding(model, "partial", example=example).converted == ["0"]


def test_quantised_layers_and_traced_pads_are_reported():
    quantised = torch.ao.nn.quantized.Conv2d(3, 4, 3, padding=1)
    traced = [torch.fx.symbolic_trace(Net(how)) for how in (padded, functional)]
    report = convert_padding(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), quantised, *traced), "partial")
    assert report.unsupported == ["1", "2", "3"]


class RepBlock(nn.Module):
    """Written as RepVGG's authors write it: branches that `switch_to_deploy` sums into one convolution and deletes."""

    def __init__(self):
        super().__init__()
        self.rbr_dense = nn.Conv2d(3, 3, 3, padding=1)
        self.rbr_1x1 = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.rbr_reparam(x) if hasattr(self, "rbr_reparam") else self.rbr_dense(x) + self.rbr_1x1(x)

    def switch_to_deploy(self):
        self.rbr_reparam = nn.Conv2d(3, 3, 3, padding=1)
        with torch.no_grad():
            self.rbr_reparam.weight.copy_(self.rbr_dense.weight + F.pad(self.rbr_1x1.weight, (1, 1, 1, 1)))
            self.rbr_reparam.bias.copy_(self.rbr_dense.bias + self.rbr_1x1.bias)
        for name in ("rbr_dense", "rbr_1x1"):
            self.__delattr__(name)


def test_branches_that_another_package_fused_are_refused():
    model = nn.Sequential(RepBlock())
    assert convert_padding(model, "partial").converted == ["0.rbr_dense"], "exact before the branches are summed"
    convert_padding(model, "zero")
    model[0].switch_to_deploy()
    with pytest.raises(PaddingError, match=r"layer '0.rbr_reparam' was fused from parallel branches \(.*RepBlock\)"):
        convert_padding(model, "partial")
    assert convert_padding(model, "reflect").converted == ["0.rbr_reparam"], "reflection is exact on fused branches"


def test_what_the_dry_run_sees_is_what_torch_functions_saw():
    """Another recorder, above autograd, finds no zero padding that the report does not name."""
    model = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), Net(padded), nn.Conv2d(4, 3, 3), Net(functional))
    report = convert_padding(model, "partial", example=X)
    names = {module: name for name, module in model.named_modules()}
    with torch.no_grad(), PadCalls(model) as calls:
        model(X)
    hidden = {names[module] for module, _ in calls.found if not isinstance(module, PaddedLayer)}
    assert hidden == {"1", "3"} == {name for name in report.unsupported if report.kinds[name] == "Net"}


def test_a_channel_attention_is_no_border():
    """A Conv1d over pooled channels in a network of images is left; in a network of signals it is converted."""

    class Attention(nn.Module):
        def __init__(self):
            super().__init__()
            self.over_channels = nn.Conv1d(1, 1, 3, padding=1)

        def forward(self, x):
            weights = self.over_channels(x.mean((2, 3))[:, None])[:, 0]
            return x * weights.sigmoid()[:, :, None, None]

    report = convert_padding(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), Attention()), "partial", example=X)
    assert (report.converted, report.left, report.unsupported) == (["0"], ["1.over_channels"], [])
    assert convert_padding(nn.Sequential(nn.Conv1d(1, 1, 3, padding=1)), "partial").converted == ["0"]


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["ZeroPad", "ConstantPad"])
def test_a_pad_module_and_its_convolution_are_one_layer(axes, kind):
    """Uneven pads of every axis, with an Identity between, as efficientnets of other packages have it."""
    pads = (1, 2, 0, 3, 2, 1)[: 2 * axes]
    pad = getattr(nn, f"{kind}{axes}d")(pads, *([0.0] if kind == "ConstantPad" else []))
    model = nn.Sequential(pad, nn.Identity(), getattr(nn, f"Conv{axes}d")(2, 3, 3, padding=1)).double()
    x = torch.randn(1, 2, *(7, 6, 5)[:axes], dtype=torch.float64)
    zero = model(x)
    assert convert_padding(model, "partial", example=x).converted == ["0", "2"]
    both = [(before + 1, after + 1) for before, after in zip(pads[::2], pads[1::2], strict=True)][::-1]
    expected, _ = partial_oracle(x, model[2].weight, model[2].bias, (1,) * axes, both, (1,) * axes, 1)
    for position, value in expected.items():
        torch.testing.assert_close(model(x)[(..., *position)], value, rtol=1e-10, atol=1e-10)
    copied = pickle.loads(pickle.dumps(model))
    assert torch.equal(copied(x), model(x))
    convert_padding(model, "zero")
    assert torch.equal(model(x), zero)


class Stem(nn.Module):
    """As in efficientnets of other packages: a padding module and a convolution, joined in the forward alone."""

    def __init__(self, pad):
        super().__init__()
        self.pad, self.conv, self.tail = pad, nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return self.tail(self.conv(self.pad(x)).relu())


def test_a_pad_module_and_its_one_reader_are_one_layer():
    model = Stem(nn.ZeroPad2d((0, 1, 0, 1)))
    assert convert_padding(model, "partial").unsupported == ["pad"], "only a run shows that they belong together"
    for scheme in ("partial", "reflect", "partial"):
        assert convert_padding(model, scheme, strict=True, example=X).converted == ["pad", "conv", "tail"]
    expected = padding.conv2d(X, model.conv.weight, model.conv.bias, 2, ((0, 1), (0, 1)), scheme="partial")
    assert torch.equal(model.conv(model.pad(X)), expected)
    convert_padding(model, "zero")
    assert torch.equal(model.pad(X), F.pad(X, (0, 1, 0, 1)))


def test_a_pad_that_does_not_run_is_no_gap():
    """Some packages make a padding module in every block and call it in those with a stride alone."""
    model = Stem(nn.ZeroPad2d(1))
    model.__class__ = type("Idle", (Stem,), {"forward": lambda net, x: net.tail(net.conv(x))})
    report = convert_padding(model, "partial", strict=True, example=X)
    assert (report.converted, report.left) == (["tail"], ["pad"])
    assert report.reasons["pad"] == "does not run on the example"


@pytest.mark.parametrize(
    "forward",
    [
        lambda net, x: net.tail(net.conv(net.pad(x)).relu()) + net.pad(x).mean(),
        lambda net, x: net.tail(net.conv(net.pad(x)).relu()) + net.conv(x).mean(),
        lambda net, x: net.tail(net.conv(net.pad(x).relu()).relu()),
        lambda net, x: (lambda padded: (net.tail(net.conv(padded).relu()), padded))(net.pad(x)),
        lambda net, x: net.tail(net.conv(net.pad(x[0])).relu()),
    ],
)
def test_a_pad_that_others_read_or_a_convolution_that_reads_others_is_no_pair(forward):
    model = Stem(nn.ZeroPad2d((0, 0, 1, 1)))
    model.__class__ = type("Other", (Stem,), {"forward": forward})
    report = convert_padding(model, "partial", example=X)
    assert (report.converted, report.unsupported) == (["tail"], ["pad"])


def test_an_example_without_a_batch_hides_nothing():
    """(3, H, W): a pad of the height looks like one of channels of a signal."""
    model = Net(lambda net, x: net.conv(F.pad(x, (0, 0, 1, 1))))
    report = convert_padding(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), model), "partial", example=X[0])
    assert report.unsupported == ["1"]


def test_a_size_read_off_a_padded_map_is_no_silent_change():
    model = Stem(nn.ZeroPad2d(1))
    model.__class__ = type("Sized", (Stem,), {"forward": once_padded})
    with pytest.raises(PaddingError, match="it reads the size of a map that a padding module made"):
        convert_padding(model, "partial", example=X)
    assert type(model.pad) is nn.ZeroPad2d


def once_padded(net, x):
    padded_map = net.pad(x)
    return F.interpolate(net.tail(net.conv(padded_map)), padded_map.shape[2:])


@pytest.mark.parametrize(("mode", "word"), [("reflect", "reflection"), ("replicate", "replication")])
def test_a_border_that_a_forward_fills_is_left_and_said(mode, word):
    """As CycleGAN's forwards could; a layer built with that padding_mode is a layer of the scheme, and is none."""
    model = Net(lambda net, x: net.conv(F.pad(x, (1, 1, 1, 1), mode=mode)))
    stem = nn.Conv2d(3, 3, 3, padding=1, padding_mode=mode)
    report = convert_padding(nn.Sequential(stem, model), mode, strict=True, example=X)
    assert (report.converted, report.left, report.unsupported) == (["0"], ["1"], [])
    assert report.reasons["1"] == f"inside its forward: pads (1, 1, 1, 1) by {word}, read by a convolution"


def test_a_map_that_happens_to_be_zero_is_no_padding():
    """Levels of a detector whose box head starts at zero; and an example of zeros."""

    def levels(net, x):
        return torch.cat([net.conv(x).flatten(2), net.conv(x[:, :, ::2, ::2]).flatten(2)], 2)

    net = Net(levels, padding=1)
    nn.init.zeros_(net.conv.weight)
    nn.init.zeros_(net.conv.bias)
    for example in (X, torch.zeros_like(X)):
        convert_padding(net, "zero")
        assert convert_padding(net, "partial", strict=True, example=example).converted == ["conv"]


def test_images_that_fill_their_place_in_a_batch_of_zeros_are_not_padded():
    """As detectors of torchvision put images of one size into a batch."""

    def batched(net, x):
        frame = x.new_full(x.shape, 0.0)
        for place, image in zip(frame, x, strict=True):
            place[:3, :16, :16].copy_(image)
        return net.conv(frame)

    assert convert_padding(Net(batched, padding=1), "partial", strict=True, example=X).converted == ["conv"]
