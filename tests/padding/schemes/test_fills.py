"""Schemes that fill the border: each position, derivatives, what ties schemes together, what is refused."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd import gradcheck, gradgradcheck
from torch.utils._python_dispatch import BaseTorchDispatchMode

import padding
from padding import PaddingError, convert_padding, layer_class
from padding.registry import _SCHEMES, add_scheme, find_scheme
from padding.schemes.ring import Fill, filling
from tests.padding.schemes.border_oracle import padded

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
SCHEMES = [find_scheme(name) for name in (*padding.available_schemes(), "extrapolate:1")]
# Neither torch's own, nor what re-weights, nor what learns: a new scheme needs its formula in border_oracle.py alone.
FILLS = [each.name for each in SCHEMES if each.convolve is not None and each.power is None and each.start is None]
PAIRS = ("zero,circular", "circular,zero", "reflect,mean", "zero,mean", "lp1,zero", "mean,noise", "noise,extrapolate:2")
PAIRS += ("symmetric,mean_interp", "mean_interp,lp1", "random_side,mean")
GEOMETRIES = {
    "3": {"kernel_size": 3, "padding": 1},
    "wide, strided": {"kernel_size": 5, "padding": 2, "stride": 2, "groups": 2},
    "even, dilated": {"kernel_size": (4, 2, 2), "padding": "same", "dilation": (1, 2, 1)},
    "one axis": {"kernel_size": (3, 1, 1), "padding": (1, 0, 0)},
    "as wide as the map": {"kernel_size": (9, 3, 9), "padding": (4, 1, 4)},
}
SIZES = (6, 8, 5)


def geometry(name, axes):
    return {key: value[:axes] if isinstance(value, tuple) else value for key, value in GEOMETRIES[name].items()}


def oracle(x, layer, scheme):
    pads = layer.padding_site.padding(layer)
    maps = [padded(channel.detach().numpy(), pads, scheme) for image in x for channel in image]
    whole = torch.from_numpy(np.stack(maps)).unflatten(0, x.shape[:2])
    convolution = getattr(F, f"conv{x.dim() - 2}d")
    return convolution(whole, layer.weight, layer.bias, layer.stride, 0, layer.dilation, layer.groups)


def cases():
    for scheme in (*FILLS, *PAIRS):
        for axes in (1, 2, 3):
            if axes == 2 or ("," not in scheme and scheme != "earth"):
                yield scheme, axes
    yield "circular,zero,lp1", 3


@pytest.mark.parametrize(("scheme", "axes"), list(cases()))
@pytest.mark.parametrize("shape", GEOMETRIES)
def test_every_position_is_the_oracles(scheme, axes, shape):
    layer = layer_class(CONVOLUTIONS[axes], scheme)(2, 4, **geometry(shape, axes), dtype=torch.float64).eval()
    x = torch.randn(2, 2, *SIZES[:axes], dtype=torch.float64)
    expected = oracle(x, layer, scheme)
    for last in (False, True):
        x = x.to(memory_format=torch.channels_last) if last and axes == 2 else x
        torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
        with torch.no_grad():
            torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(torch.vmap(layer)(x), expected, rtol=1e-12, atol=1e-12)  # as recorded in a graph


def test_partial_takes_its_own_axis_alone():
    """Against the columns filled by hand, and the ratio of the rows counted by hand."""
    weight, x = torch.randn(3, 2, 3, 3, dtype=torch.float64), torch.randn(2, 2, 6, 7, dtype=torch.float64)
    ratio = torch.tensor([1.5, 1, 1, 1, 1, 1.5]).double()[:, None]
    for power, scheme in ((1, "partial"), (0.5, "partial_sqrt")):
        for other, pads in (("zero", {}), ("circular", {"mode": "circular"}), ("replicate", {"mode": "replicate"})):
            wide = F.pad(x, (1, 1, 0, 0), **pads)
            expected = F.conv2d(wide, weight, padding=(1, 0)) * ratio**power + 7
            y = padding.conv2d(x, weight, torch.full((3,), 7.0).double(), padding=1, scheme=f"{scheme},{other}")
            torch.testing.assert_close(y, expected)
            flipped = padding.conv2d(x.mT, weight.mT, padding=1, scheme=f"{other},{scheme}")
            torch.testing.assert_close(flipped.mT + 7, expected)
    both = padding.conv2d(x, weight, padding=1, scheme="partial,partial_sqrt")
    columns = torch.tensor([1.5, 1, 1, 1, 1, 1, 1.5]).double() ** 0.5
    torch.testing.assert_close(both, F.conv2d(x, weight, padding=1) * ratio * columns)


def test_the_root_keeps_the_variance_of_white_input():
    """In a corner 4 of 9 taps: the sum's variance is 4/9, times sqrt(9/4) squared 1."""
    layer = layer_class(nn.Conv2d, "partial_sqrt")(1, 1, 3, padding=1, dtype=torch.float64)
    torch.testing.assert_close(
        (layer(torch.ones(1, 1, 5, 5).double()) - layer.bias)[..., 0, 0],
        layer.weight[..., 1:, 1:].sum((2, 3)) * 1.5,
    )
    up = layer_class(nn.ConvTranspose2d, "partial_sqrt")(1, 1, 3, padding=1, bias=False, dtype=torch.float64)
    x, plain = torch.randn(1, 1, 4, 4).double(), nn.ConvTranspose2d(1, 1, 3, padding=1, bias=False).double()
    plain.load_state_dict(up.state_dict())
    torch.testing.assert_close(up(x)[..., 0, 0], plain(x)[..., 0, 0] * 1.5)
    y, mask = layer(torch.ones(1, 1, 5, 5).double(), torch.ones(1, 1, 5, 5))
    torch.testing.assert_close(y, layer(torch.ones(1, 1, 5, 5).double()))
    assert mask.all()


@pytest.mark.parametrize("scheme", [*FILLS, "zero,circular", "partial,reflect"])
def test_first_and_second_derivatives(scheme):
    """The rings of three schemes are constants to autograd: there, the gradient is that of the map padded by hand."""
    options = {"kernel_size": 3, "padding": 1, "stride": 2, "dtype": torch.float64}
    layer = layer_class(nn.Conv2d, scheme)(2, 2, **options).eval()
    x = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    if scheme in ("noise", "mean_interp", "mean_reflect"):
        direct = torch.autograd.grad(layer(x).square().sum(), x)
        ring = torch.from_numpy(
            np.stack([padded(c.detach().numpy(), ((1, 1), (1, 1)), scheme) for i in x for c in i])
        ).unflatten(0, (1, 2))
        ring[..., 1:-1, 1:-1] = 0
        y = F.conv2d(ring + F.pad(x, (1, 1, 1, 1)), layer.weight, layer.bias, 2)
        torch.testing.assert_close(direct, torch.autograd.grad(y.square().sum(), x))
    else:
        assert gradcheck(layer, x)
        assert gradgradcheck(layer, x)


def pad_of(x, amount, scheme):
    """What the scheme makes of a map: a convolution that copies it."""
    axes = x.dim() - 2
    function = getattr(padding, f"conv{axes}d")
    kernel = torch.ones(x.shape[1], 1, *[1] * axes, dtype=x.dtype)
    return function(x, kernel, padding=amount, groups=x.shape[1], scheme=scheme)


X = torch.randn(2, 3, 6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_schemes_are_tied_together():
    same = torch.equal
    assert same(pad_of(torch.full_like(X, 0.25), 2, "lp1"), torch.full((2, 3, 10, 12), 0.25).double())  # 0 / 0
    assert same(pad_of(X, 2, "extrapolate:1"), pad_of(X, 2, "replicate"))
    assert same(
        pad_of(X, 3, "symmetric"), torch.from_numpy(np.pad(X.numpy(), [(0, 0)] * 2 + [(3, 3)] * 2, "symmetric"))
    )
    line = torch.arange(5.0).double()[None, None]
    for degree, scheme in ((1, "extrapolate:2"), (2, "extrapolate:3"), (3, "extrapolate:4")):
        further = torch.arange(-2.0, 7.0).double()[None, None]
        torch.testing.assert_close(pad_of(line**degree - 3, 2, scheme), further**degree - 3)
    constant = torch.full_like(X, 0.1)
    for scheme in ("mean", "lp1", "mean_interp", "mean_reflect", "extrapolate:3", "noise", "lp1,mean"):
        torch.testing.assert_close(pad_of(constant, 2, scheme), torch.full_like(pad_of(X, 2, "zero"), 0.1))
    for scheme in padding.available_schemes():
        if scheme not in ("earth", "constant", "explicit", "pad_channel"):
            assert same(pad_of(X, 1, f"{scheme},{scheme}"), pad_of(X, 1, scheme)), scheme
    assert same(pad_of(X.roll(4, -1), 2, "earth")[..., 2:-2], pad_of(X, 2, "earth")[..., 2:-2].roll(4, -1))
    # Where neighbours say nothing of each other a = 0, and lp1 is the mean; on a long ramp a = 1, and it is replicate.
    noise = torch.randn(1, 1, 100_000).double()
    torch.testing.assert_close(pad_of(noise, 1, "lp1"), pad_of(noise, 1, "mean"), atol=0.02, rtol=0)
    ramp = torch.linspace(0, 1, 100_000).double()[None, None]
    torch.testing.assert_close(pad_of(ramp, 1, "lp1"), pad_of(ramp, 1, "replicate"), atol=1e-4, rtol=0)


def test_training_draws_from_torchs_generator_and_evaluation_does_not():
    for scheme in ("noise", "random_side", "random_side,noise"):
        layer = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
        convert_padding(layer, scheme)
        x, state = X.float(), torch.get_rng_state()
        first, second = layer(x), layer(x)
        assert not torch.equal(first, second)
        torch.set_rng_state(state)
        assert torch.equal(layer(x), first)
        state = torch.get_rng_state()
        assert torch.equal(layer.eval()(x), layer(x))
        assert torch.equal(torch.get_rng_state(), state)


def test_what_training_draws():
    layer = layer_class(nn.Conv2d, "random_side")(1, 1, 1, padding=(1, 2), bias=False)
    nn.init.ones_(layer.weight)
    x = torch.ones(1, 1, 3, 3)
    seen = {tuple(layer(x)[0, 0].nonzero()[0].tolist()) for _ in range(50)}
    assert seen == {(0, 0), (2, 0), (0, 4), (2, 4)}
    layer = layer_class(nn.Conv2d, "noise")(1, 1, 1, padding=1, bias=False)
    nn.init.ones_(layer.weight)
    x = torch.randn(1, 1, 5, 20_000) * 3 + 5
    x[..., 2:, :] += 1000  # out of reach
    top = layer(x)[..., 0, 1:-1]
    band = x[..., :2, :]
    assert abs(top.mean() - band.mean()) < 0.15
    assert abs(top.std() / band.std() - 1) < 0.03


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, "autocast"])
@pytest.mark.parametrize("scheme", [*FILLS, "zero,circular"])
def test_precisions(scheme, dtype):
    layer = layer_class(nn.Conv2d, scheme)(3, 4, 3, padding=1, dtype=None if dtype == "autocast" else dtype).eval()
    exact = layer_class(nn.Conv2d, scheme)(3, 4, 3, padding=1, dtype=torch.float64).eval()
    exact.load_state_dict(layer.state_dict())
    x = X.to(layer.weight.dtype).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "autocast"):
        y = layer(x)
    assert y.dtype == (torch.bfloat16 if dtype == "autocast" else dtype)
    assert (y - exact(x.double())).abs().max() < 0.05 * y.abs().max()
    y.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize(
    ("scheme", "shape", "message"),
    [
        ("mirror", (6, 6), "unknown padding scheme 'mirror'; choose one of zero, .*extrapolate:N.*'zero,circular'"),
        ("extrapolate:0.5", (6, 6), "'extrapolate:0.5': say extrapolate:N with N from 1 to 9"),
        ("extrapolate:0", (6, 6), "N from 1 to 9"),
        ("extrapolate", (6, 6), "N from 1 to 9"),
        ("zero,circular,zero", (6, 6), "'zero,circular,zero' names 3 axes, and this layer has 2"),
        ("zero,circular,zero,zero", (6, 6), "names 4 axes"),
        ("zero,mirror", (6, 6), "unknown padding scheme 'mirror'"),
        ("earth,zero", (6, 6), "'earth' is no scheme of one axis"),
        ("earth", (6, 7), "even number.* 6x7: give it an even width"),
        ("earth", (6,), "takes 2-d maps"),
        ("earth", (6, 6, 6), "takes 2-d maps"),
        ("reflect", (3, 6), "padding of 3 needs a map of at least 4 positions along that axis, and it is 3x6"),
        ("symmetric", (2, 6), "padding of 3 needs a map of at least 3 positions along that axis, and it is 2x6"),
        ("extrapolate:4", (3, 6), "extrapolate:4 padding .* at least 4 .* 3x6 .*'replicate'"),
    ],
)
@pytest.mark.parametrize("mode", [nullcontext, BaseTorchDispatchMode])
def test_refusals(scheme, shape, message, mode):
    """As called, and in the run of a conversion on an example."""
    function = getattr(padding, f"conv{len(shape)}d")
    with mode(), pytest.raises(PaddingError, match=message):
        function(torch.ones(1, 1, *shape), torch.ones(1, 1, *[7] * len(shape)), padding=3, scheme=scheme)


def test_a_ring_of_another_width_is_refused():
    add_scheme(filling(Fill("too_narrow", lambda near, amount, measured: near)))
    try:
        with pytest.raises(PaddingError, match=r"too_narrow must return \(1, 1, 8, 2\), and returned \(1, 1, 8, 1\)"):
            padding.conv2d(torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 3, 3), padding=2, scheme="too_narrow")
    finally:
        del _SCHEMES["too_narrow"]
