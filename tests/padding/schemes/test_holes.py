"""Single layers called with masks: Eq. 1 to 3 against windows taken apart tap by tap, and the contract of the call."""

import copy
import pickle
import random

import pytest
import torch
import torch.nn.functional as F
from timm.layers import BlurPool2d, CondConv2d, Conv2dSame, ScaledStdConv2d, StdConv2d
from torch import nn

import padding
from padding import PaddingError, convert_padding, layer_class
from padding.conversion.layers import PaddedLayer
from tests.support.padded_nets import record
from tests.support.window_oracle import as_map, pads_of, partial_oracle, random_case

PARTIAL = {1: padding.PartialConv1d, 2: padding.PartialConv2d, 3: padding.PartialConv3d}


def with_holes(shape, mask):
    """Random values, with what must not be read in the holes."""
    x = torch.randn(shape, dtype=torch.float64)
    poison = torch.tensor([float("nan"), float("inf"), -float("inf")], dtype=torch.float64)
    return torch.where(mask != 0, x, poison[torch.randint(3, shape)])


def expect(x, mask, weight, bias, stride, pads, dilation, groups):
    """Output and mask behind it: an output is valid where a convolution of ones sees any."""
    geometry = (stride, pads, dilation, groups)
    y = as_map(*partial_oracle(x, weight, bias, *geometry, mask=mask))
    ones = as_map(*partial_oracle(torch.ones_like(x), torch.ones_like(weight), None, *geometry, mask=mask))
    return y, (ones if mask.shape[1] > 1 else ones[:, :1]) > 0


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_partial_convolution_is_the_oracle(axes):
    rng = random.Random(axes)
    seen_empty = 0
    for case in range((40, 30, 10)[axes - 1]):
        arguments, sizes = random_case(rng, axes)
        inputs = arguments["groups"] * rng.choice([1, 2])
        layer = PARTIAL[axes](inputs, 2 * arguments["groups"], **arguments).double()
        channels = inputs if rng.random() < 0.5 else 1
        mask = torch.rand(rng.choice([1, 2]), channels, *sizes) < rng.choice([0, 0.2, 0.7])
        mask = mask.to([torch.bool, torch.float32, torch.float64, torch.bfloat16, torch.uint8][case % 5])
        if mask.is_floating_point():
            mask = mask * rng.choice([-1, 0.25, 255])  # whatever is not zero is valid
        x = with_holes((2, inputs, *sizes), mask)
        expected, behind = expect(
            x, mask, layer.weight, layer.bias, layer.stride, pads_of(layer), layer.dilation, layer.groups
        )
        y, updated = layer(x, mask)
        torch.testing.assert_close(y.detach(), expected, rtol=1e-12, atol=1e-12)
        assert updated.dtype == mask.dtype
        assert updated.shape == (mask.shape[0], *behind.shape[1:])
        assert torch.equal(updated.expand_as(behind) != 0, behind), layer
        assert set(updated.unique().tolist()) <= {0, 1}
        seen_empty += int((~behind).sum())
        alone, of_one = layer(x[0], mask[0])
        torch.testing.assert_close(alone, y[0])
        assert torch.equal(of_one, updated[0])
    assert seen_empty, "no case had a window without anything valid"


@pytest.mark.parametrize("kind", [Conv2dSame, StdConv2d, ScaledStdConv2d, BlurPool2d])
def test_other_convolutions_take_masks(kind):
    layer = kind(4, 4, 3, stride=2) if kind is not BlurPool2d else kind(4, pad_mode="constant")
    layer.double()
    convert_padding(layer, "partial")
    mask = torch.rand(2, 1, 7, 6) < 0.6
    x = with_holes((2, 4, 7, 6), mask)
    filled = x.nan_to_num(0, 0, 0)
    y, behind = layer(x, mask)
    torch.testing.assert_close(layer(filled, torch.ones(1, 4, 7, 6))[0], layer(filled))
    # The weights do not depend on the input, so the sum in each window is the zero-padded one of the filled input.
    convert_padding(layer, "zero")
    bias = getattr(layer, "bias", None)
    bias = torch.zeros(4, 1, 1) if bias is None else bias.detach()[:, None, None]
    sums = layer(filled).detach() - bias
    after = (0, 1) if kind is Conv2dSame else (1, 1)  # SAME of 6 columns adds behind only
    counts = F.pad(mask.double(), (*after, 1, 1)).unfold(2, 3, 2).unfold(3, 3, 2).sum((-1, -2))
    expected = torch.where(counts > 0, sums * 9 / counts.clamp(min=1) + bias, 0.0)
    torch.testing.assert_close(y.detach(), expected)
    assert torch.equal(behind, counts > 0)


def test_gradients_are_those_of_the_valid_part():
    layer = padding.PartialConv2d(2, 2, 3, padding=1, stride=2, dtype=torch.float64)
    mask = torch.rand(2, 2, 5, 4) < 0.5
    x = with_holes((2, 2, 5, 4), mask).requires_grad_()
    y, behind = layer(x, mask)
    assert not behind.requires_grad
    y.square().sum().backward()
    assert x.grad[mask].any()
    assert not x.grad[~mask].any(), "a gradient in a hole"
    assert all(parameter.grad.isfinite().all() for parameter in layer.parameters())
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x, mask))[0]

    clean = x.detach().nan_to_num(0, 0, 0).requires_grad_()
    assert torch.autograd.gradcheck(call, (clean, *layer.parameters()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [False, True])
def test_half_precision_counts_in_float32(dtype, autocast):
    """577 is no bfloat16 and no float16 above 2048 is odd: counts of that size need more than the input's precision."""
    layer = padding.PartialConv2d(256, 8, 3, padding=1)
    mask = torch.rand(1, 256, 6, 6) < 0.9
    mask[..., 2, 2] = False
    x = torch.randn(1, 256, 6, 6)
    exact, behind = copy.deepcopy(layer).double()(x.double(), mask)
    geometry = padding.Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 1, symmetric=True)
    if not autocast:
        layer, x = layer.to(dtype), x.to(dtype)
    with torch.autocast("cpu", dtype=dtype, enabled=autocast):
        y, updated = layer(x, mask)
        plain = layer(x)
        counts, window = padding.schemes.holes._count_valid(mask, layer.weight, geometry)
    assert y.dtype == plain.dtype == dtype
    assert torch.equal(updated, behind)
    assert (y - exact).abs().max() < (2e-2 if dtype == torch.bfloat16 else 3e-3) * exact.abs().max()
    assert window == 2304
    assert counts.dtype == torch.float32
    assert torch.equal(counts[:, 0], F.pad(mask.double(), (1,) * 4).unfold(2, 3, 1).unfold(3, 3, 1).sum((1, -1, -2)))


@pytest.mark.parametrize(
    ("shape", "needs"),
    [
        ((2, 4, 5), r"\(1 or 2, 1 or 3, 4, 5\)"),
        ((2, 2, 4, 5), "1 or 3"),
        ((3, 1, 4, 5), "1 or 2"),
        ((2, 1, 4, 1), "4, 5"),
        ((4, 5), "4, 5"),
        ((), "4, 5"),
    ],
)
def test_masks_that_do_not_fit(shape, needs):
    layer = padding.PartialConv2d(3, 4, 3, padding=1)
    with pytest.raises(PaddingError, match=f"layer PartialConv2d.*does not fit an input of shape.*{needs}"):
        layer(torch.randn(2, 3, 4, 5), torch.ones(shape))


def test_a_mask_of_another_device_and_a_scheme_without_holes():
    layer = padding.PartialConv2d(3, 4, 3, padding=1)
    x, mask = torch.randn(1, 3, 4, 5), torch.ones(1, 1, 4, 5)
    with pytest.raises(PaddingError, match="mask is on meta and the input on cpu"):
        layer(x, mask.to("meta"))
    assert layer.to("meta")(x.to("meta"), mask.to("meta"))[0].shape == (1, 4, 4, 5)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    for scheme in ("reflect", "replicate", "circular"):
        convert_padding(model, scheme)
        with pytest.raises(PaddingError, match=f"layer '0' .*a mask means nothing under '{scheme}'.*'partial'"):
            model[0](x, mask)


class Chain(nn.Module):
    """A network that hands the mask on."""

    def __init__(self):
        super().__init__()
        self.first = padding.PartialConv2d(3, 4, 3, stride=2, padding=1)
        self.second = padding.PartialConv2d(4, 2, 3, padding=1, groups=2, bias=False)

    def forward(self, x, mask):
        x, mask = self.first(x, mask)
        return self.second(x.relu(), mask)


def chain_inputs(batch, *sizes, channels=1):
    mask = torch.rand(batch, channels, *sizes) < 0.6
    return torch.where(mask, torch.randn(batch, 3, *sizes), float("nan")), mask


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("channels", [1, 3])
def test_compiled_exported_and_traced(channels):
    torch._dynamo.reset()
    net = Chain().eval()
    example = chain_inputs(2, 8, 11, channels=channels)
    graphs = record(net, *example)
    for sizes in ((9, 12), (14, 10)):
        inputs = chain_inputs(3, *sizes, channels=channels)
        y, behind = net(*inputs)
        for name, graph in graphs.items():
            got, updated = graph(*inputs)
            torch.testing.assert_close(got, y, msg=lambda text, name=name: f"{name}: {text}")
            assert torch.equal(updated, behind), name


def test_a_recorded_layer_takes_a_mask_or_none():
    layer = padding.PartialConv2d(3, 4, 3, padding=1)
    graph = torch.fx.symbolic_trace(layer)
    x, mask = chain_inputs(2, 5, 6)
    torch.testing.assert_close(graph(x, mask), layer(x, mask))
    x = torch.randn(2, 3, 5, 6)
    assert torch.equal(graph(x), layer(x))


def test_vmapped():
    layer = padding.PartialConv2d(3, 4, 3, padding=1)
    x, mask = torch.randn(2, 3, 3, 5, 6), torch.rand(2, 3, 1, 5, 6) < 0.5
    y, behind = torch.vmap(layer)(x, mask)
    for each in range(2):
        expected = layer(x[each], mask[each])
        torch.testing.assert_close((y[each], behind[each]), expected)


def test_keywords_of_the_authors_layer():
    x, mask = torch.randn(2, 2, 5, 6), torch.rand(2, 1, 5, 6) < 0.5
    default = padding.PartialConv2d(2, 4, 3, padding=1)
    state = default.state_dict()

    def layer(**options):
        built = padding.PartialConv2d(2, 4, 3, padding=1, **options)
        built.load_state_dict(state, strict=True)
        return built

    plain, (masked, behind) = default(x), default(input=x, mask_in=mask)
    assert isinstance(plain, torch.Tensor)
    assert torch.equal(default(x), plain), "a call with a mask changed the next one without"
    never, always = layer(return_mask=False), layer(return_mask=True)
    torch.testing.assert_close(never(x), plain)
    torch.testing.assert_close(never(x, mask), masked)
    torch.testing.assert_close(always(x, mask), (masked, behind))
    torch.testing.assert_close(always(x), (plain, torch.ones(1, 1, 5, 6)))
    torch.testing.assert_close(always(x[0]), (plain[0], torch.ones(1, 5, 6)))
    every = layer(return_mask=True, multi_channel=True)
    torch.testing.assert_close(every(x), (plain, torch.ones(2, 4, 5, 6)))
    torch.testing.assert_close(every(x, mask), (masked, behind.repeat(1, 4, 1, 1)))
    with pytest.raises(TypeError, match="return_mask"):
        padding.ReflectConv2d(2, 4, 3, padding=1, return_mask=True)
    with pytest.raises(TypeError, match="return_mask"):
        layer_class(CondConv2d, "partial")(2, 4, 3, return_mask=True)


def test_layers_that_return_masks_are_copied_kept_and_refused():
    layer = padding.PartialConv2d(2, 4, 3, padding=1, return_mask=True)
    x = torch.randn(1, 2, 5, 6)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        torch.testing.assert_close(twin(x), layer(x))
    convert_padding(layer, "partial")
    assert len(layer(x)) == 2
    for scheme in ("zero", "reflect"):
        with pytest.raises(PaddingError, match=f"layer '0' .*return_mask=True.*'{scheme}'"):
            convert_padding(nn.Sequential(layer), scheme)
    assert isinstance(layer, padding.PartialConv2d)


def test_a_layer_without_padding_keeps_taking_masks():
    """1x1 convolutions are built as partial ones for their masks; a conversion finds no padding to touch."""
    net = nn.Sequential(padding.PartialConv2d(2, 4, 3, padding=1), padding.PartialConv2d(4, 2, 1))
    assert convert_padding(net, "partial").converted == ["0"]
    x, mask = torch.randn(1, 2, 5, 6), torch.rand(1, 1, 5, 6) < 0.5
    net[1](*net[0](x, mask))
    convert_padding(net, "reflect")
    assert not isinstance(net[1], PaddedLayer)
