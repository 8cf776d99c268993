"""Every file of timm that has a padded convolution: each converted layer against the oracle on its actual input."""

import contextlib
import csv
import itertools
import random
import warnings
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from padding import PaddingError, convert_padding
from padding.conversion.layers import PaddedLayer
from tests.padding.conversion.pad_calls import PadCalls
from tests.support import padded_nets
from tests.support.window_oracle import partial_oracle, transposed_oracle, worst_error

POSITIONS = 24  # checked of each layer: corners, border and inside
SCHEMES = ("zero", "partial", "reflect", "replicate", "circular", "zero,circular")
MODELS_WITHOUT_PADDED_CONVOLUTION = 371  # of 1371, timm 1.0.31

# For each file of timm its smallest padded model, and those of the special cases. `slow` names the tests that
# `make test` leaves out: `values` of models whose kinds of layers others hold, `all` of those that take longest.
with (Path(__file__).parent / "timm_models.csv").open() as lines:
    MODELS = [(row["model"], (int(row["height"]), int(row["width"])), row["slow"]) for row in csv.DictReader(lines)]


def models(*slow):
    return [pytest.param(*row, id=row[0], marks=[pytest.mark.slow] * (why in slow)) for *row, why in MODELS]


def some_positions(shape, limit, seed):
    """All positions of a small map; of a large one its corners, and as many on the border as inside."""
    everything = list(itertools.product(*map(range, shape)))
    if len(everything) <= limit:
        return everything
    rng = random.Random(seed)
    border = [at for at in everything if any(i < 3 or i >= n - 3 for i, n in zip(at, shape, strict=True))]
    corners = list(itertools.product(*((0, n - 1) for n in shape)))
    return list({*corners, *rng.sample(border, min(len(border), limit // 2)), *rng.sample(everything, limit // 2)})


def build(name):
    """The model in float64, no parameter left at zero: biases and zero-initialised scales must take part."""
    model = timm.create_model(name).eval().double()
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.uniform_(parameter, -0.5, 0.5)
    return model


def same_pads(sizes, kernels, stride, dilation):
    pads = []
    for n, k, s, d in zip(sizes, kernels, stride, dilation, strict=True):
        total = max(0, (-(-n // s) - 1) * s + d * (k - 1) + 1 - n)
        pads.append((total // 2, total - total // 2))
    return pads


def own_pads(layer, sizes):
    """What an unconverted layer pads, read off its attributes."""
    if type(layer).__name__ == "BlurPool2d":
        assert layer.pad_mode == "constant"
        return [(layer.padding[0],) * 2] * 2
    dynamic = getattr(layer, "same_pad", False) or getattr(layer, "dynamic_padding", False)
    if dynamic or type(layer).__name__ == "Conv2dSame":
        return same_pads(sizes, layer.kernel_size, layer.stride, layer.dilation)
    if layer.padding == "same":
        return same_pads(sizes, layer.kernel_size, (1,) * len(sizes), layer.dilation)
    return [(amount, amount) for amount in layer.padding]


def effective_weight(layer, channels):
    """The filters that an unconverted layer applies, weight standardisation by its definition."""
    if type(layer).__name__ == "BlurPool2d":
        return layer.filt.expand(channels, -1, -1, -1)
    weight = layer.weight
    if "Std" in type(layer).__name__:
        rows = weight.flatten(1)
        rows = (rows - rows.mean(1, keepdim=True)) / (rows.var(1, keepdim=True, unbiased=False) + layer.eps).sqrt()
        weight = rows.view_as(weight)
    if hasattr(layer, "gain"):
        weight = weight * layer.gain * layer.scale
    return weight


def expected_positions(layer, inputs, extra_pads, at):
    """The oracle's values for a layer; a conditional convolution is taken sample by sample."""
    x = inputs[0]
    if isinstance(layer, nn.ConvTranspose2d):
        return transposed_oracle(x, layer, at)
    sizes = x.shape[2:]
    if type(layer).__name__ == "BlurPool2d":
        stride, dilation, groups, bias = (layer.stride,) * 2, (1, 1), x.shape[1], None
    else:
        stride, dilation, groups, bias = layer.stride, layer.dilation, layer.groups, layer.bias
    pads = [(b + eb, a + ea) for (b, a), (eb, ea) in zip(own_pads(layer, sizes), extra_pads, strict=True)]
    if type(layer).__name__ != "CondConv2d":
        weight = effective_weight(layer, x.shape[1])
        return partial_oracle(x, weight, bias, stride, pads, dilation, groups, positions=at)[0]
    weights = (inputs[1] @ layer.weight).view(x.shape[0], *layer.weight_shape)
    biases = [None] * len(x) if bias is None else inputs[1] @ bias
    samples = [
        partial_oracle(x[i : i + 1], weights[i], biases[i], stride, pads, dilation, groups, positions=at)[0]
        for i in range(x.shape[0])
    ]
    return {position: torch.cat([sample[position] for sample in samples]) for position in at}


def record_calls(model, names):
    """Copies of each layer's first inputs and output: what follows may write into them."""
    calls = {}

    def recorder(name):
        def record(_, inputs, y):
            calls.setdefault(name, (tuple(value.clone() for value in inputs), y.clone()))

        return record

    modules = dict(model.named_modules())
    handles = [modules[name].register_forward_hook(recorder(name)) for name in names]
    return calls, handles


@pytest.mark.parametrize(("name", "size"), models("all"))
@torch.no_grad()
def test_everything_that_pads_is_reported(name, size):
    with torch.device("meta"):  # the calls alone count
        model = timm.create_model(name).eval()
        names = {module: name for name, module in model.named_modules()}
        with PadCalls(model) as calls:
            model(torch.empty(1, 3, *size))
    report = convert_padding(model, "partial")
    reported = {*report.converted, *report.left, *report.unsupported}
    # Of an attention the whole block is named, its position embedding with it.
    parts = tuple(f"{name}." for name in report.left)
    found = {names[module] for module, _ in calls.found}
    assert [name for name in found - reported if not name.startswith(parts)] == []
    assert report.converted


@pytest.mark.slow
@pytest.mark.parametrize(("name", "size"), models("all"))
@torch.no_grad()
def test_a_run_finds_no_padding_that_the_report_of_layers_lacks(name, size):
    """What timm pads in a forward stands in timm_blocks.py; a run of the converted model says the same, twice."""
    model, x = timm.create_model(name).eval(), torch.randn(1, 3, *size)
    report = convert_padding(model, "partial", example=x)
    with PadCalls(model) as calls:
        model(x)
    names = {module: name for name, module in model.named_modules()}
    padding = {names[module] for module, _ in calls.found if not isinstance(module, PaddedLayer)}
    assert padding <= {*report.left, *report.unsupported}
    assert {*report.unsupported} == {*convert_padding(model, "partial").unsupported}
    with pytest.raises(PaddingError, match="cannot be padded") if report.unsupported else contextlib.nullcontext():
        convert_padding(model, "partial", strict=True, example=x)


@pytest.mark.parametrize(
    ("name", "size"),
    [*((net, padded_nets.sizes(net)[0]) for net in padded_nets.SMALL_NETS), *models("values", "all")],
)
@torch.no_grad()
def test_every_layer_matches_the_oracle(name, size):
    model = padded_nets.build(name).double() if name in padded_nets.SMALL_NETS else build(name)
    batch = 2 if size[0] < 128 else 1  # two samples show a mixed-up batch; on large maps one is enough
    x = torch.randn(batch, 3, *size, dtype=torch.float64)
    before = model(x)
    keys = list(model.state_dict())
    identities = [id(parameter) for parameter in model.parameters()]

    report = convert_padding(model, "partial")
    layers = {layer: part for layer, part in model.named_modules() if layer in report.converted}
    padders = {layer for layer, part in layers.items() if isinstance(part, nn.ZeroPad2d)}
    pads_in_front = {layer: [(0, 0)] * 3 for layer in layers}
    for padder in padders:
        stem, _, index = padder.rpartition(".")
        left, right, top, bottom = layers[padder].padding
        pads_in_front[f"{stem}.{int(index) + 1}"] = [(top, bottom), (left, right)]
    calls, handles = record_calls(model, layers.keys() - padders)
    changed = model(x)
    for handle in handles:
        handle.remove()
    convert_padding(model, "zero")

    for layer, (inputs, y) in calls.items():
        at = some_positions(y.shape[2:], POSITIONS, seed=len(layer))
        extra = pads_in_front[layer][: y.dim() - 2]
        expected = expected_positions(layers[layer], inputs, extra, at)
        assert worst_error(y, expected) < 1e-12, layer
    assert calls, "no converted layer ran"
    assert not equal(changed, before)
    assert equal(model(x), before)
    assert list(model.state_dict()) == keys
    assert [id(parameter) for parameter in model.parameters()] == identities


def equal(a, b):
    """Bit for bit; some models return several outputs."""
    return torch.equal(a, b) if isinstance(a, torch.Tensor) else all(map(equal, a, b))


@pytest.mark.slow
def test_every_model_name_converts():
    # Without those that this suite registers, where another test has imported them.
    names = [name for name in timm.list_models() if timm.model_entrypoint(name).__module__.startswith("timm.")]
    failures, unchanged = {}, 0
    for name in names:
        try:
            unchanged += not converts(name)
        except Exception as error:  # all failures in one list
            failures[name] = repr(error)
    assert not failures
    if timm.__version__ == "1.0.31":
        assert (len(names), unchanged) == (1371, MODELS_WITHOUT_PADDED_CONVOLUTION)


def converts(name):
    with torch.device("meta"):
        model = timm.create_model(name)
    classes = [type(module) for module in model.modules()]
    keys = list(model.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # A lambda layer is a Conv3d over an image, for which a pair has no third scheme: refused by the layer's name.
        volumes = any(isinstance(module, nn.Conv3d) for module in model.modules())
        reports = [convert_padding(model, scheme) for scheme in SCHEMES if not (volumes and "," in scheme)]
        convert_padding(model, "zero")
    modules = dict(model.named_modules())
    convolutions = [
        tuple(each for each in report.converted if not isinstance(modules[each], nn.ConvTranspose2d))
        for report in reports
    ]
    assert len(set(convolutions)) == 1, "transposed ones are converted by partial alone"
    assert [type(module) for module in model.modules()] == classes
    assert list(model.state_dict()) == keys
    return bool(reports[0].converted)
