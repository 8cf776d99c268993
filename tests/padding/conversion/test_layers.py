"""Single layers: values against the oracle and against torch, gradients, precisions, memory formats."""

import copy
import pickle
import random
import sys
import weakref

import pytest
import torch
from torch import nn
from torch.autograd import forward_ad, gradcheck, gradgradcheck

import padding
from padding import PaddingError, layer_class, reweight
from padding.geometry import static_pads
from tests.support.window_oracle import pads_of, partial_oracle, random_case, worst_error

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_partial_is_the_oracle(axes, path):
    rng = random.Random(axes)
    for _ in range((40, 30, 8)[axes - 1]):
        arguments, sizes = random_case(rng, axes)
        channels = 2 * arguments["groups"]
        layer = layer_class(CONVOLUTIONS[axes], "partial")(channels, channels, **arguments, dtype=torch.float64)
        x = torch.randn(2, channels, *sizes, dtype=torch.float64)
        geometry = (layer.stride, pads_of(layer), layer.dilation, layer.groups)
        expected, shape = partial_oracle(x, layer.weight, layer.bias, *geometry)
        for trained in (False, True):
            with torch.set_grad_enabled(trained):
                y = layer(x)
            assert tuple(y.shape[2:]) == shape, (arguments, sizes)
            assert worst_error(y, expected) < 1e-13, arguments


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.bfloat16, 2e-2), (torch.float16, 2e-3)])
@pytest.mark.parametrize("bias", [False, True])
def test_precisions(dtype, tolerance, bias, path):
    layer = padding.PartialConv2d(3, 4, 7, stride=2, padding=3, bias=bias, dtype=dtype)
    x = torch.randn(2, 3, 15, 20, dtype=dtype)
    y = layer(x)
    assert y.dtype == dtype
    exact = copy.deepcopy(layer).double()
    expected, _ = partial_oracle(x.double(), exact.weight, exact.bias, (2, 2), [(3, 3)] * 2, (1, 1), 1)
    assert worst_error(y.double(), expected) < tolerance
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    (exact(x.double()) * weights).sum().backward()
    for low, high in zip(layer.parameters(), exact.parameters(), strict=True):
        assert low.grad.dtype == dtype
        torch.testing.assert_close(low.grad.double(), high.grad, rtol=2e-2, atol=5 * tolerance * high.grad.abs().max())


@pytest.mark.parametrize("kind", [nn.Conv2d, nn.ConvTranspose2d])
def test_a_recorded_ratio_is_float32(kind):
    """121 over a number of taps, rounded to bfloat16, would miss 121 by one unit."""
    layer = layer_class(kind, "partial")(1, 1, 11, padding=5, bias=False, dtype=torch.bfloat16)
    nn.init.ones_(layer.weight)
    assert (torch.vmap(layer)(torch.ones(1, 1, 1, 22, 22, dtype=torch.bfloat16)) == 121).all()


def test_empty_windows_are_zero_and_finite():
    for dtype in (torch.float16, torch.float32):
        layer = padding.PartialConv2d(1, 2, 3, padding=5, dtype=dtype)
        with torch.no_grad():
            layer.bias.fill_(7)
        y = layer(torch.randn(1, 1, 4, 4, dtype=dtype))
        assert y.isfinite().all()
        assert not y[:, :, :3].any(), "a bias where nothing was seen"
        assert y[:, :, 5, 5].all()
        y.sum().backward()
        assert layer.bias.grad[0] == 6 * 6


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("stride", [1, 2])
def test_first_and_second_derivatives(bias, stride, path):
    layer = padding.PartialConv2d(2, 2, 3, padding=1, stride=stride, bias=bias, dtype=torch.float64)
    names = [name for name, _ in layer.named_parameters()]

    def call(x, *parameters):
        return torch.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))

    operands = (torch.randn(2, 2, 4, 5, dtype=torch.float64, requires_grad=True), *layer.parameters())
    assert gradcheck(call, operands)
    assert gradgradcheck(call, operands)


def test_functorch_and_forward_mode_differentiation():
    layer = padding.PartialConv2d(2, 3, 3, padding=1, dtype=torch.float64)
    x, direction = torch.randn(2, 4, 2, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(torch.vmap(layer)(x), layer(x))
    gradients = torch.vmap(torch.func.grad(lambda sample: layer(sample).square().sum()))(x)
    leaf = x.clone().requires_grad_()
    layer(leaf).square().sum().backward()
    torch.testing.assert_close(gradients, leaf.grad)
    _, tangent = torch.func.jvp(layer, (x,), (direction,))
    torch.testing.assert_close(layer(x + direction), layer(x) + tangent)  # the layer is affine
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, direction)))
    torch.testing.assert_close(dual.tangent, tangent)


def test_channels_last_and_unbatched_inputs(path):
    layer = padding.PartialConv2d(8, 8, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(2, 8, 9, 9).to(memory_format=torch.channels_last)
    for grad in (False, True):
        with torch.set_grad_enabled(grad):
            y = layer(x)
            assert y.is_contiguous(memory_format=torch.channels_last)
            torch.testing.assert_close(y, layer(x.contiguous()))
            torch.testing.assert_close(layer(x[0]), y[0])
    y.sum().backward()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_incoming_gradient_is_not_written(path, dtype):
    for expanded in (False, True):
        layer = padding.PartialConv2d(1, 1, 3, padding=1, dtype=dtype)
        y = layer(torch.randn(1, 1, 5, 5, dtype=dtype))
        gradient = torch.ones(1, 1, 1, 1, dtype=dtype).expand_as(y) if expanded else torch.ones_like(y)
        y.backward(gradient)
        assert gradient.unique().tolist() == [1.0]
        torch.testing.assert_close(layer.bias.grad, torch.tensor([25.0], dtype=dtype), rtol=2e-2, atol=0)


def test_a_frame_made_in_inference_mode_serves_training():
    layer = padding.PartialConv2d(1, 1, 3, padding=1)
    with torch.inference_mode():
        layer(torch.randn(1, 1, 41, 43))
    y = layer(torch.randn(1, 1, 41, 43))
    (gradient,) = torch.autograd.grad(y.square().sum(), layer.weight, create_graph=True)
    gradient.sum().backward()  # a graph of the backward pass keeps the ratio itself
    assert layer.weight.grad.isfinite().all()


def test_sizes_devices_and_precisions_do_not_share_a_frame():
    layer = padding.PartialConv2d(1, 1, 7, padding=3, bias=False)
    nn.init.ones_(layer.weight)
    for size in ((7, 7), (7, 8), (8, 7), (7, 7)):
        for dtype, tolerance in ((torch.float32, 1e-6), (torch.float64, 1e-14)):
            y = layer.to(dtype)(torch.ones(1, 1, *size, dtype=dtype))
            torch.testing.assert_close(y, torch.full_like(y, 49), rtol=tolerance, atol=0)
            assert tuple(y.shape[2:]) == size
    assert layer.to("meta")(torch.ones(1, 1, 7, 7, device="meta")).device.type == "meta"


def test_kept_ratios_are_bounded(monkeypatch):
    monkeypatch.setattr(reweight, "_CACHE", reweight._FrameCache(capacity_bytes=20_000))
    layer = padding.PartialConv2d(1, 1, 3, padding=1)
    for width in range(8, 40):
        layer(torch.ones(1, 1, 8, width))
    frames = reweight._CACHE._frames.values()
    assert 1 < len(frames) < 32
    assert sum(frame.nbytes for frame in frames) == reweight._CACHE._bytes <= 20_000


def test_a_frame_that_a_cuda_graph_reads_is_never_freed(monkeypatch):
    """Capturing is played here: what a graph recorded is read at every replay, whatever the cache has forgotten."""
    layer, x = layer_class(nn.Conv2d, "partial")(2, 2, 3, padding=1), torch.randn(1, 2, 6, 6)
    reweight.forget_ratios()
    layer(x)
    (frame,) = (weakref.ref(each) for each in reweight._CACHE._frames.values())
    with monkeypatch.context() as capturing:
        for module in ("padding.reweight", "padding.schemes.partial"):
            capturing.setattr(sys.modules[module], "is_captured", lambda weight: True)
        capturing.setattr(reweight, "_CAPTURED", set())
        layer(x)
        reweight.forget_ratios()
        assert frame() is not None
    assert frame() is None, "the cache alone kept it"


def test_a_padding_mode_contradicts_a_scheme():
    with pytest.raises(PaddingError, match="padding_mode='reflect' contradicts PartialConv2d"):
        padding.PartialConv2d(1, 1, 3, padding=1, padding_mode="reflect")


@pytest.mark.parametrize(("scheme", "size"), [("reflect", 3), ("circular", 2)])
def test_a_map_too_small_names_the_layer_and_the_way_out(scheme, size):
    model = nn.Sequential(nn.Identity(), nn.Conv2d(1, 1, 7, padding=3))
    padding.convert_padding(model, scheme)
    with pytest.raises(PaddingError, match=f"layer '1' .*{scheme} padding of 3 .* {size}x9 .*'replicate'"):
        model(torch.randn(1, 1, size, 9))
    padding.convert_padding(model, "replicate")
    model(torch.randn(1, 1, size, 9))


@pytest.mark.parametrize("scheme", ["partial", "reflect"])
def test_what_a_layer_keeps_of_its_last_call_follows_size_settings_and_dtype(scheme):
    layer = layer_class(nn.Conv2d, scheme)(3, 4, 5, padding=1)  # 5 / 3 is no float32
    x = torch.randn(2, 3, 9, 8)
    layer(x)
    for change in (
        lambda: setattr(layer, "stride", (2, 1)),
        lambda: setattr(layer, "padding", (2, 1)),
        lambda: setattr(layer, "padding", [1, 1]),
        lambda: layer.padding.__setitem__(0, 2),
        lambda: setattr(layer, "padding", (1, 2)),
        lambda: setattr(layer, "dilation", (1, 2)),
        lambda: setattr(layer, "outer_pads", ((0, 1), (1, 0))),
        lambda: layer.double(),
    ):
        change()
        own = static_pads(layer.padding, layer.kernel_size, layer.dilation)
        outer = layer.outer_pads or ((0, 0), (0, 0))
        pads = [(b + ob, a + oa) for (b, a), (ob, oa) in zip(own, outer, strict=True)]
        for images in (x, x[..., :7], x):
            images = images.to(layer.weight.dtype)
            settings = {"stride": layer.stride, "padding": pads, "dilation": layer.dilation, "scheme": scheme}
            wanted = padding.conv2d(images, layer.weight, layer.bias, **settings)
            torch.testing.assert_close(layer(images), wanted, rtol=0, atol=0)
    for copied in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert copied.__dict__.keys() == layer.__dict__.keys() - {"_recent_call"}, "copies carry no ratios"
