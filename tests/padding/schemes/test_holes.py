"""Single layers called with masks: Eq. 1 to 3 against windows taken apart tap by tap, and the contract of the call."""

import copy
import itertools
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

PARTIAL = {1: padding.PartialConv1d, 2: padding.PartialConv2d, 3: padding.PartialConv3d}


def holes_oracle(x, mask, weight, bias, stride, pads, dilation, groups):
    """Output and mask behind it, float64, window by window; a value in a hole is never touched."""
    filters, channels = weight.shape[:2]
    x, weight, bias = x.detach(), weight.detach(), None if bias is None else bias.detach()
    shape = [
        (n + sum(pair) - d * (k - 1) - 1) // s + 1
        for n, k, s, pair, d in zip(x.shape[2:], weight.shape[2:], stride, pads, dilation, strict=True)
    ]
    mask = mask.expand(x.shape[0], *mask.shape[1:])
    y = torch.zeros(x.shape[0], filters, *shape, dtype=torch.float64)
    behind = torch.zeros(x.shape[0], filters if mask.shape[1] > 1 else 1, *shape, dtype=torch.bool)
    taps = list(itertools.product(*map(range, weight.shape[2:])))
    for sample, filter, at in itertools.product(
        range(x.shape[0]), range(filters), itertools.product(*map(range, shape))
    ):
        first = filter // (filters // groups) * channels
        counted = [first + c for c in range(channels)] if mask.shape[1] > 1 else [0]
        total, seen = 0.0, 0
        for tap in taps:
            where = [i * s - pair[0] + t * d for i, s, pair, t, d in zip(at, stride, pads, tap, dilation, strict=True)]
            if not all(0 <= i < n for i, n in zip(where, x.shape[2:], strict=True)):
                continue
            valid = [bool(mask[(sample, c, *where)] != 0) for c in counted]
            seen += sum(valid)
            for c in range(channels):
                if valid[c % len(valid)]:
                    total += float(x[(sample, first + c, *where)]) * float(weight[(filter, c, *tap)])
        if seen:
            ratio = len(taps) * len(counted) / seen
            y[(sample, filter, *at)] = total * ratio + (0.0 if bias is None else float(bias[filter]))
            behind[(sample, filter if mask.shape[1] > 1 else 0, *at)] = True
    return y, behind


def random_layer(rng, axes):
    groups = rng.choice([1, 1, 2, 3])
    kernel, dilation = ([rng.randint(1, 3) for _ in range(axes)] for _ in range(2))
    stride, pads = [rng.randint(1, 3) for _ in range(axes)], [rng.randint(0, 4) for _ in range(axes)]
    if rng.random() < 0.2:
        stride, pads = [1] * axes, "same"
    inputs = groups * rng.choice([1, 2])
    layer = PARTIAL[axes](
        inputs, 2 * groups, tuple(kernel), tuple(stride), pads, tuple(dilation), groups, rng.random() < 0.6
    )
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    return layer.double(), [inputs, *(max(r, 2) + rng.randint(0, 2) for r in reach)]


def with_holes(shape, mask):
    """Random values, with what must not be read in the holes."""
    x = torch.randn(shape, dtype=torch.float64)
    poison = torch.tensor([float("nan"), float("inf"), -float("inf")], dtype=torch.float64)
    return torch.where(mask != 0, x, poison[torch.randint(3, shape)])


def pads_of(layer):
    if layer.padding != "same":
        return [(pad, pad) for pad in layer.padding]
    totals = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_partial_convolution_is_the_oracle(axes):
    rng = random.Random(axes)
    seen_empty = 0
    for case in range(30 if axes < 3 else 8):
        layer, shape = random_layer(rng, axes)
        channels = shape[0] if rng.random() < 0.5 else 1
        mask = torch.rand(rng.choice([1, 2]), channels, *shape[1:]) < rng.choice([0.2, 0.7])
        mask = mask.to([torch.bool, torch.float32, torch.float64, torch.bfloat16, torch.uint8][case % 5])
        x = with_holes((2, *shape), mask)
        geometry = (layer.stride, pads_of(layer), layer.dilation, layer.groups)
        expected, behind = holes_oracle(x, mask, layer.weight, layer.bias, *geometry)
        y, updated = layer(x, mask)
        torch.testing.assert_close(y, expected, rtol=1e-12, atol=1e-12)
        assert updated.dtype == mask.dtype
        assert updated.shape == (mask.shape[0], *(behind.shape[1:]))
        assert torch.equal(updated.expand_as(behind) != 0, behind), layer
        assert set(updated.unique().tolist()) <= {0, 1}
        seen_empty += int((~behind).sum())
        alone, of_one = layer(x[0], mask[0])
        torch.testing.assert_close(alone, y[0])
        assert torch.equal(of_one, updated[0])
    assert seen_empty, "no case had a window without anything valid"


@pytest.mark.parametrize("kind", [Conv2dSame, StdConv2d, ScaledStdConv2d, BlurPool2d])
def test_other_convolutions_take_masks(kind):
    plain = kind(4, 4, 3, stride=2) if kind is not BlurPool2d else kind(4, pad_mode="constant")
    convert_padding(plain, "partial")
    plain.double()
    mask = torch.rand(2, 1, 7, 6) < 0.6
    x = with_holes((2, 4, 7, 6), mask)
    y, behind = plain(x, mask)
    ones = torch.ones(1, 4, 7, 6)
    torch.testing.assert_close(plain(x.nan_to_num(0, 0, 0), ones)[0], plain(x.nan_to_num(0, 0, 0)))
    # The weights do not depend on the input, so that the sum in each window is the zero-padded one of a filled input.
    convert_padding(plain, "zero")
    bias = getattr(plain, "bias", None)
    bias = torch.zeros(4, dtype=torch.float64) if bias is None else bias.detach()
    sums = plain(x.nan_to_num(0, 0, 0)).detach() - bias[:, None, None]
    before = [(0, 1), (1, 1)] if kind is Conv2dSame else [(1, 1), (1, 1)]  # SAME of 6 columns adds behind only
    if kind is Conv2dSame:
        before = [(1, 1), (0, 1)]
    padded = F.pad(mask.double(), (*before[1], *before[0]))
    counts = padded.unfold(2, 3, 2).unfold(3, 3, 2).sum((-1, -2))
    expected = torch.where(counts > 0, sums * 9 / counts.clamp(min=1) + bias[:, None, None], 0.0)
    torch.testing.assert_close(y.detach(), expected)
    assert torch.equal(behind, counts > 0)


def test_a_mask_without_holes_changes_nothing():
    for axes, kind in PARTIAL.items():
        layer = kind(2, 4, 3, padding=2, groups=2).double()
        x = torch.randn(2, 2, *(5, 6, 4)[:axes], dtype=torch.float64)
        for channels in (1, 2):
            y, behind = layer(x, torch.ones(1, channels, *x.shape[2:]))
            torch.testing.assert_close(y, layer(x))
            assert behind.all()
            assert behind.shape[1] == (4 if channels == 2 else 1)


def test_nothing_is_left_of_an_empty_image():
    layer = padding.PartialConv2d(2, 3, 3, padding=1)
    y, behind = layer(torch.full((1, 2, 4, 4), float("nan")), torch.zeros(1, 1, 4, 4))
    assert not y.any(), "a bias where nothing was seen"
    assert not behind.any()


def test_masks_grow_until_all_is_valid():
    """Eq. 3 over layers: one valid position reaches one further in each direction a 3x3 convolution."""
    layer = padding.PartialConv2d(1, 1, 3, padding=1)
    x, mask = torch.full((1, 1, 9, 9), float("nan")), torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    x[..., 4, 4], mask[..., 4, 4] = 1.0, True
    for step in range(1, 5):
        x, mask = layer(x, mask)
        assert mask.sum() == (2 * step + 1) ** 2
        assert x.isfinite().all()
    assert mask.all()


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
    if autocast:
        with torch.autocast("cpu", dtype=dtype):
            y, updated = layer(x, mask)
            plain = layer(x)
            counts, window = padding.schemes.holes._count_valid(mask, layer.weight, layer_geometry())
    else:
        layer.to(dtype)
        y, updated = layer(x.to(dtype), mask)
        plain = layer(x.to(dtype))
        counts, window = padding.schemes.holes._count_valid(mask, layer.weight, layer_geometry())
    assert y.dtype == plain.dtype == dtype
    assert torch.equal(updated, behind)
    assert (y - exact).abs().max() < (2e-2 if dtype == torch.bfloat16 else 3e-3) * exact.abs().max()
    assert window == 2304
    assert counts.dtype == torch.float32
    assert torch.equal(counts[:, 0], F.pad(mask.double(), (1,) * 4).unfold(2, 3, 1).unfold(3, 3, 1).sum((1, -1, -2)))


def layer_geometry():
    return padding.Geometry((1, 1), ((1, 1), (1, 1)), (1, 1), 1, symmetric=True)


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


def test_whatever_is_not_zero_is_valid():
    layer = padding.PartialConv2d(1, 1, 3, padding=1)
    mask = torch.tensor([0.0, 0.25, 255.0, -1.0]).reshape(1, 1, 1, 4)
    x = torch.randn(1, 1, 1, 4)
    torch.testing.assert_close(layer(x, mask)[0], layer(x, mask != 0)[0])
    assert layer(x, mask)[1].unique().tolist() == [1.0]


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
    auto = torch.export.Dim.AUTO
    dynamic = {0: auto, 2: auto, 3: auto}
    graphs = {
        "compile": torch.compile(net, fullgraph=True, dynamic=True, backend="eager"),
        "export": torch.export.export(net, example, dynamic_shapes=(dynamic, dynamic)).module(),
        "fx": torch.fx.symbolic_trace(net),
        "trace": torch.jit.trace(net, example, check_trace=False),
    }
    for sizes in ((8, 11), (9, 12), (14, 10)):
        inputs = chain_inputs(3, *sizes, channels=channels)
        y, behind = net(*inputs)
        for name, graph in graphs.items():
            got, updated = graph(*inputs)
            torch.testing.assert_close(got, y, msg=lambda text, name=name: f"{name}: {text}")
            assert torch.equal(updated, behind), name


def test_compiled_under_autocast():
    torch._dynamo.reset()
    net = Chain().eval()
    inputs = chain_inputs(2, 8, 11)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        y, behind = net(*inputs)
        got, updated = torch.compile(net, fullgraph=True, backend="aot_eager")(*inputs)
    assert got.dtype == y.dtype == torch.bfloat16
    torch.testing.assert_close(got, y, rtol=2e-2, atol=2e-2)
    assert torch.equal(updated, behind)


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


# The authors' layer: its keywords, and what a cache of its kind gets wrong.


class CachingConv2d(nn.Conv2d):
    """The paper's implementation in a few lines: the ratio is kept for as long as the input's shape stays the same."""

    kept_for = None

    def forward(self, x, mask=None):
        if mask is not None or self.kept_for != x.shape:
            self.kept_for = x.shape
            ones = x.new_ones(1, 1, *x.shape[2:]) if mask is None else mask
            area = self.kernel_size[0] * self.kernel_size[1]
            counts = F.conv2d(ones, x.new_ones(1, 1, *self.kernel_size), None, self.stride, self.padding)
            self.ratio, self.valid = area / (counts + 1e-8) * counts.clamp(0, 1), counts.clamp(0, 1)
        sums = F.conv2d(x if mask is None else x * mask, self.weight, None, self.stride, self.padding)
        return (sums * self.ratio + self.bias[:, None, None]) * self.valid


def test_a_call_with_a_mask_leaves_no_trace():
    caching, ours = CachingConv2d(2, 3, 3, padding=1), padding.PartialConv2d(2, 3, 3, padding=1)
    ours.load_state_dict(caching.state_dict())
    x, mask = torch.randn(1, 2, 6, 7), (torch.rand(1, 1, 6, 7) < 0.5).float()
    before = ours(x)
    torch.testing.assert_close(caching(x), before)
    torch.testing.assert_close(caching(x, mask), ours(x, mask)[0])
    assert torch.equal(ours(x), before)
    assert (caching(x) - before).abs().max() > 0.1, "the stale ratio went unseen: this test cannot tell"


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
