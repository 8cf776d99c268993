"""Rule `fixed`: at an image's own positions, what the network gives for that image alone."""

import copy
import gc
import math
import pickle
import weakref
from functools import partial

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers import AvgPool2dSame, BlurPool2d, Conv2dSame, StdConv2d, StdConv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn

from networks import DeepLabV3Plus
from padding import convert_padding, forward_masked, forward_singly
from tests.support.masked_nets import Function, prepared

SIZES = [(33, 47), (40, 31), (36, 36)]
# Slow: deeper ones of the same blocks.
PAPER = [
    "resnet50",
    "vgg16_bn",
    *(pytest.param(n, marks=pytest.mark.slow) for n in ("resnet101", "resnet152", "vgg19_bn")),
]


class Head(nn.Module):
    """A trunk, and the mean over its positions next to it."""

    def __init__(self, *trunk):
        super().__init__()
        self.trunk = nn.Sequential(*trunk)

    def forward(self, x):
        x = self.trunk(x)
        return x, x.mean((2, 3))


@pytest.mark.parametrize("name", PAPER)
@torch.no_grad()
def test_the_papers_networks(name, batch_of, worst_difference):
    sizes = [(97, 70), (64, 101), (75, 75)]
    # A VGG's hidden layers hold nine tenths of its parameters.
    narrow = {"mlp_ratio": 1 / 64} if name.startswith("vgg") else {}
    model = prepared(timm.create_model(name, num_classes=10, **narrow))
    assert worst_difference(model, batch_of(sizes), sizes) < 1e-10
    if name == "resnet50":
        images = batch_of(sizes, dtype=torch.float32)
        assert worst_difference(model.float(), images, sizes, check=True) < 1e-5


TRUNKS = {
    "strides and dilation": lambda: [
        nn.Conv2d(3, 4, 7, 2, 3), nn.ReLU(inplace=True),
        nn.Conv2d(4, 4, 3, 1, 2, dilation=2), nn.Conv2d(4, 4, (3, 5), 2, (1, 2)),
    ],
    "groups and bias": lambda: [nn.Conv2d(3, 6, 3, 1, 1, groups=3), nn.Conv2d(6, 6, 5, 2, 2, groups=6, bias=False)],
    "more pads than taps": lambda: [nn.Conv2d(3, 4, 1, 1, 2), nn.Conv2d(4, 4, 3, 1, 4)],
    "even kernels": lambda: [nn.Conv2d(3, 4, 4, 2, 1), nn.Conv2d(4, 4, 2, 1, 1), nn.Conv2d(4, 4, 4, padding="same")],
    "no padding": lambda: [nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, 2), nn.Conv2d(4, 4, 1)],
    "TensorFlow's SAME": lambda: [Conv2dSame(3, 4, 3, stride=2), Conv2dSame(4, 4, 5, stride=2), Conv2dSame(4, 4, 3)],
    "SAME pools": lambda: [Conv2dSame(3, 4, 3, stride=2), MaxPool2dSame(3, 2), AvgPool2dSame(2, 2)],
    "standardised": lambda: [StdConv2d(3, 4, 3, padding=1), StdConv2dSame(4, 4, 3, stride=2)],
    "blurred": lambda: [nn.Conv2d(3, 4, 3, padding=1), BlurPool2d(4, pad_mode="constant"), BlurPool2d(4)],
    "max pools": lambda: [nn.MaxPool2d(3, 2, 1), nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(2, 2, ceil_mode=True)],
    "average pools": lambda: [
        nn.Conv2d(3, 4, 3, padding=1), nn.AvgPool2d(3, 2, 1), nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        nn.AvgPool2d(2, 2, ceil_mode=True), nn.AvgPool2d(3, 2, 1, ceil_mode=True, divisor_override=5),
    ],
    "norms": lambda: [
        nn.Conv2d(3, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.BatchNorm2d(4), nn.InstanceNorm2d(4), nn.PReLU(4),
    ],
    "up": lambda: [
        nn.Conv2d(3, 4, 3, padding=1), nn.Upsample(scale_factor=2, mode="bilinear"), nn.ConvTranspose2d(4, 4, 3, 2, 1),
    ],
    "fills by design": lambda: [
        nn.ReflectionPad2d(2), nn.Conv2d(3, 4, 3), nn.ZeroPad2d((0, 1, 2, 0)), nn.Conv2d(4, 4, 3),
    ],
    "shuffled": lambda: [nn.Conv2d(3, 4, 3, padding=1), nn.PixelShuffle(2), nn.Conv2d(1, 4, 3, padding=1)],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:no padded convolution", "ignore:Using padding='same'")
@pytest.mark.parametrize("scheme", ["partial", "zero", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("trunk", TRUNKS)
def test_layers(trunk, scheme, batch_of, worst_difference):
    model = prepared(Head(*TRUNKS[trunk]()), scheme)
    images = batch_of(SIZES)
    with torch.inference_mode():
        assert worst_difference(model, images, SIZES) < 1e-12
    assert worst_difference(model, images, SIZES) < 1e-12  # with gradients: nothing in place


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


def pooled(x):
    return x.mean((2, 3))


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def same(x, size):
    return F.adaptive_avg_pool2d(x, size)


def _write(part, whole=False):
    """Doubles a view of a map and returns the map; or doubles the map and returns the view."""

    def function(m, x):
        view = part(x)
        (x if whole else view).mul_(2)
        return view if whole else x

    return function


FUNCTIONS = {
    "squeeze and excitation": lambda m, x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "mean over flattened positions": lambda m, x: x.flatten(2).mean(-1),
    "a mean in another type": lambda m, x: x.float().mean((2, 3), dtype=x.dtype),
    "mean of rows": lambda m, x: x + x.mean(3, keepdim=True),
    "sum": lambda m, x: x.sum((-2, -1)),
    "largest": lambda m, x: torch.cat([x.amax((2, 3)), x.amin((2, 3))], 1),
    "spread": lambda m, x: x.std((2, 3), keepdim=True),
    "adaptive pools": lambda m, x: F.adaptive_avg_pool2d(x, 1).flatten(1) + F.adaptive_max_pool2d(x, 1).flatten(1),
    "adaptive pool to 3": lambda m, x: same(x, 3).flatten(1),
    "channels last": lambda m, x: (x.permute(0, 2, 3, 1) @ m.first.outer(m.second)).permute(0, 3, 1, 2),
    "layer norm": lambda m, x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "softmax over channels": lambda m, x: x.softmax(1),
    "softmax over rows": lambda m, x: x.softmax(2),
    "attention over tokens": lambda m, x: F.scaled_dot_product_attention(tokens(x), tokens(x), tokens(x)).mean(1),
    "attention by hand": lambda m, x: ((tokens(x) @ x.flatten(2)).softmax(-1) @ tokens(x)).mean(1),
    "heads merged with the batch": lambda m, x: (
        torch.bmm(*[tokens(same(x, 3)).reshape(-1, 3, 4)[:, :, :3]] * 2).reshape(len(x), 9, 3).transpose(1, 2)
    ),
    "tokens and back": lambda m, x: tokens(x).transpose(1, 2).reshape(x.shape) * 2 + x,
    "class token": lambda m, x: torch.cat([m.first.expand(x.shape[0], 1, 4), tokens(x)], 1)[:, 0],
    "halves of the channels": lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1) + torch.stack(x.split(1, 1), 1).squeeze(2),
    "groups of channels": lambda m, x: x.view(len(x), 2, 2, *x.shape[2:]).transpose(1, 2).flatten(1, 2),
    "each second row": lambda m, x: x[:, :, ::2, 1::2],
    "without the last column": lambda m, x: x[..., :-1],
    "pools with defaults": lambda m, x: F.avg_pool2d(x, 2) + F.max_pool2d(x, 2),
    "shifted": lambda m, x: torch.roll(x, (1, -2), (2, 3)),
    "mirrored": lambda m, x: x.flip(3),
    "one pixel expanded to the map": lambda m, x: x.amax((2, 3), keepdim=True).expand_as(x),
    "an axis of 1 put in by a view": lambda m, x: x.mean(3).view(len(x), 4, 1, -1),
    "gate expanded to the map": lambda m, x: x + x.mean((2, 3), keepdim=True).expand(-1, -1, x.shape[2], x.shape[3]),
    "columns first": lambda m, x: x.transpose(2, 3).contiguous().mT,
    "pixels unshuffled": lambda m, x: F.pixel_unshuffle(x[:, :, :8, :8], 2),
    "matrices": lambda m, x: same(x, 4) @ m.first.diag(),
    "a constant matrix first": lambda m, x: (m.first.diag() @ x.flatten(2)).mean(2),
    "a function of autograd's": lambda m, x: Twice.apply(x),
    "arithmetic": lambda m, x: torch.where(x > 0, x, 0.1 * x).clamp(max=3).mul_(2).add_(x).div(3) ** 2,
    "a constant of the images' type": lambda m, x: x * m.first.float().type_as(x).view(1, -1, 1, 1),
    "channels by a tensor": lambda m, x: x[:, torch.tensor([2, 1, 0], device=x.device)],
    "a constant of one's own": lambda m, x: x + torch.full((1, 4, 1, 1), 2, dtype=x.dtype),
    "axes by name": lambda m, x: torch.transpose(input=x.transpose(2, dim1=3), dim0=2, dim1=3).swapaxes(2, axis1=3),
    "a section that is profiled": lambda m, x: torch.autograd.profiler.record_function("section")(torch.sin)(x),
    # in place, on what is a view on the canvas, too
    "channels doubled": _write(lambda x: x[:, :2]),
    "the whole of channels doubled": _write(lambda x: x[:, :2], whole=True),
    "a slice that is all that is read": lambda m, x: F.relu(x[:, :, 1:], inplace=True),
    # arguments that follow the size: each image its own
    "twice as large": lambda m, x: F.interpolate(x, size=(2 * x.shape[2], 2 * x.shape[3]), mode="bilinear"),
    "divided by the width": lambda m, x: x.sum((2, 3)) / x.shape[3],
    "divided by a number of positions": lambda m, x: x.sum((2, 3)) / (math.ceil(x.size(3) / 2) * x.numel()),
    "a table of positions": lambda m, x: x + x.new_zeros(x.shape[0], 1, *x.shape[2:]).cumsum(2),
    "half of the rows": lambda m, x: x[:, :, : x.shape[2] // 2],
    "a row that only the tallest has": lambda m, x: torch.cat([x[:, :, :39], x[:, :, 39:] * 2], 2),
    "padded to a multiple of 8": lambda m, x: F.pad(x, (0, -x.shape[3] % 8, 0, -x.shape[2] % 8)),
    "channels chosen": lambda m, x: x[:, x.shape[2] % 3 : x.shape[2] % 3 + 2],
    "a padded value": lambda m, x: F.pad(pooled(x), (1, 1), value=x.shape[2]),
    # what would mix the images does what it does for one
    "softmax of maps over the batch": lambda m, x: x.softmax(0),
    "cumsum over the batch": lambda m, x: x.cumsum(0),
    "normalised over the batch": lambda m, x: F.normalize(x, dim=0),
    "less the mean of the batch": lambda m, x: pooled(x) - pooled(x).mean(0, keepdim=True) + 1,
    "the first image": lambda m, x: pooled(x)[:1] + pooled(x),
    "the batch mirrored": lambda m, x: pooled(x).flip(0),
    "the batch sorted": lambda m, x: pooled(x).sort(0)[0],
    "einsum over the batch": lambda m, x: torch.einsum("nc,mc->nc", pooled(x), pooled(x)),
    "attention among images": lambda m, x: F.scaled_dot_product_attention(*[pooled(x)] * 3),
}  # fmt: skip


@pytest.mark.parametrize("sizes", [SIZES, SIZES[:1]], ids=["three", "one"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name, sizes, batch_of, worst_difference):
    model = prepared(Function(FUNCTIONS[name]))
    with torch.inference_mode():
        for check in (True, False):
            assert worst_difference(model, batch_of(sizes), sizes, check=check) < 1e-12


@torch.no_grad()
def test_contiguous_copies_or_not_as_the_sizes_have_it(batch_of, worst_difference):
    model = Function(lambda m, x: x[:, :1].transpose(1, 3).contiguous().transpose(1, 3) + x).double()
    sizes = [(1, 7), (5, 1), (4, 4)]
    assert worst_difference(model, batch_of(sizes), sizes) < 1e-12


INTEGERS = {
    "any": lambda m, x: (x > 0).any(1, keepdim=True),
    "count": lambda m, x: (x > 0).sum((2, 3)),
    "largest": lambda m, x: (10 * x).long().amax((2, 3)),
    "smallest": lambda m, x: (10 * x).int().amin((2, 3)),
    "largest of booleans": lambda m, x: (x > 9).amax((2, 3)),
    "smallest of booleans": lambda m, x: (x < 9).amin((2, 3)),
    "classes": lambda m, x: x.argmax(1, keepdim=True),
}


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_stay_integers(name, recorded, batch_of, worst_difference):
    with torch.set_grad_enabled(recorded):
        assert worst_difference(Function(INTEGERS[name]).double(), batch_of(SIZES), SIZES) == 0


@pytest.mark.parametrize(
    "encoder", ["resnet18", *(pytest.param(name, marks=pytest.mark.slow) for name in ("resnet50", "wide_resnet38"))]
)
@torch.no_grad()
def test_a_segmentation_network(encoder, batch_of, worst_difference):
    sizes = [(49, 41), (33, 57)]
    model = prepared(DeepLabV3Plus(encoder, 5, head_channels=16, skip_channels=8))
    assert worst_difference(model, batch_of(sizes), sizes) < 1e-10


@torch.no_grad()
def test_nothing_outside_is_read_and_the_callers_images_stay(batch_of):
    model, outputs = prepared(timm.create_model("test_resnet")), []
    for outside in (float("nan"), float("inf"), 0.0, -7.5):
        images = batch_of(SIZES, outside=outside)
        before = images.clone()
        outputs.append(forward_masked(model, images, SIZES).output)
        torch.testing.assert_close(images, before, rtol=0, atol=0, equal_nan=True)
    assert all(torch.equal(output, outputs[0]) for output in outputs)


class Paused(nn.Module):
    """Part of it is not recorded for gradients, and pads."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Conv2d(3, 4, 3, 2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.head, self.teacher = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = self.trunk(x)
        with torch.no_grad():
            known = self.teacher(x.detach())
        return pooled(self.head(x).sigmoid() * known)


def test_gradients(batch_of):
    model = prepared(Paused())
    images = batch_of(SIZES)
    gradients = []
    for forward in (forward_masked, forward_singly):
        each = copy.deepcopy(model)
        pixels = images.clone().requires_grad_()
        forward(each, pixels, SIZES).output.square().sum().backward()
        own = [pixels.grad[n, :, :h, :w] for n, (h, w) in enumerate(SIZES)]
        gradients.append([*(each.grad for each in (*each.trunk.parameters(), *each.head.parameters())), *own])
        assert not any(pixels.grad[n, :, h:].any() for n, (h, _) in enumerate(SIZES))
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@torch.no_grad()
def test_autocast(batch_of, worst_difference):
    model = prepared(timm.create_model("test_resnet")).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert worst_difference(model, batch_of(SIZES, dtype=torch.float32), SIZES, check=True) < 0.02


@torch.no_grad()
def test_channels_last_and_large_batches(batch_of, worst_difference):
    sizes = [(9 + n % 5, 8 + n % 7) for n in range(20)]
    model = prepared(Head(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, 2, 1)))
    images = batch_of(sizes).contiguous(memory_format=torch.channels_last)
    assert worst_difference(model.to(memory_format=torch.channels_last), images, sizes) < 1e-12


class Returned(nn.Module):
    """Whose buffer and parameter come back from functions as they are, and who keeps a size."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.ones(1, 3, 1, 1))
        self.scale = nn.Parameter(torch.ones(1, 3, 1, 1))

    def forward(self, x):
        self.size = x.shape
        return x * self.mean.to(x.dtype) * self.scale.to(x.dtype)


@pytest.mark.parametrize("rule", ["fixed", "grow"])
@torch.no_grad()
def test_nothing_is_written_on_the_network_or_on_what_it_returns(rule, batch_of):
    model = Returned().double()
    output = forward_masked(model, batch_of(SIZES), SIZES, rule=rule, check=False).output
    assert not any(tensor.__dict__ for tensor in (output, model.mean, model.scale))
    assert torch.equal(pickle.loads(pickle.dumps(output)), output)
    assert model.size == (3, 3, 43, 49)  # a plain number behind the run
    assert {type(each) for each in pickle.loads(pickle.dumps(model)).size} == {int}


@pytest.mark.parametrize("rule", ["fixed", "grow"])
@torch.no_grad()
def test_nothing_holds_on_to_the_network(rule, batch_of):
    model, kept = Function(lambda m, x: x.relu()), []
    convert_padding(model, "partial")
    model.stem.register_forward_hook(partial(lambda network, module, inputs, output: kept.append(output), model))
    kept.append(forward_masked(model, batch_of(SIZES, dtype=torch.float32), SIZES, rule=rule).output)
    alive = weakref.ref(model)
    del model
    gc.collect()
    assert alive() is None
