"""Rule `fixed`: at an image's own positions, what the network gives for that image alone."""

import copy

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.layers import AvgPool2dSame, BlurPool2d, Conv2dSame, StdConv2d, StdConv2dSame
from timm.layers.pool2d_same import MaxPool2dSame
from torch import nn

from networks import DeepLabV3Plus
from padding import forward_masked, forward_singly
from tests.support.masked_nets import prepared

SIZES = [(33, 47), (40, 31), (36, 36)]
PAPER = ["resnet50", "resnet101", "resnet152", "vgg16_bn", "vgg19_bn"]


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
    model = prepared(timm.create_model(name, num_classes=10))
    assert worst_difference(model, batch_of(sizes), sizes) < 1e-10


@torch.no_grad()
def test_single_precision(batch_of, worst_difference):
    sizes = [(97, 70), (64, 101), (75, 75)]
    model = prepared(timm.create_model("resnet50", num_classes=10)).float()
    assert worst_difference(model, batch_of(sizes, dtype=torch.float32), sizes) < 1e-5


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


class Lines(nn.Module):
    """Whatever a network may do with its axes."""

    def __init__(self, function):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.function = function
        self.weight = nn.Parameter(torch.randn(4, 6))

    def forward(self, x):
        return self.function(self, self.stem(x))


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, grad):
        return 2 * grad


def _tokens(x):
    return x.flatten(2).transpose(1, 2)


FUNCTIONS = {
    "squeeze and excitation": lambda m, x: x * x.mean((2, 3), keepdim=True).sigmoid(),
    "mean one axis after the other": lambda m, x: x.mean(3).mean(2),
    "mean over flattened positions": lambda m, x: x.flatten(2).mean(-1),
    "mean of rows": lambda m, x: x + x.mean(3, keepdim=True),
    "sum": lambda m, x: x.sum((-2, -1)),
    "largest": lambda m, x: torch.cat([x.amax((2, 3)), x.amin((2, 3))], 1),
    "adaptive pools": lambda m, x: F.adaptive_avg_pool2d(x, 1).flatten(1) + F.adaptive_max_pool2d(x, 1).flatten(1),
    "adaptive pool to 3": lambda m, x: F.adaptive_avg_pool2d(x, 3).flatten(1),
    "spread": lambda m, x: x.std((2, 3), keepdim=True),
    "channels last": lambda m, x: (x.permute(0, 2, 3, 1) @ m.weight).permute(0, 3, 1, 2),
    "layer norm": lambda m, x: F.layer_norm(x.permute(0, 2, 3, 1), (4,)).permute(0, 3, 1, 2),
    "softmax over channels": lambda m, x: x.softmax(1),
    "softmax over rows": lambda m, x: x.softmax(2),
    "attention over tokens": lambda m, x: F.scaled_dot_product_attention(_tokens(x), _tokens(x), _tokens(x)).mean(1),
    "attention by hand": lambda m, x: ((_tokens(x) @ x.flatten(2)).softmax(-1) @ _tokens(x)).mean(1),
    "tokens and back": lambda m, x: _tokens(x).transpose(1, 2).reshape(x.shape) * 2 + x,
    "class token": lambda m, x: torch.cat([m.weight[:1, :4].expand(len(x), 1, 4), _tokens(x)], 1)[:, 0],
    "halves of the channels": lambda m, x: torch.cat(x.chunk(2, 1)[::-1], 1) + torch.stack(x.split(1, 1), 1).squeeze(2),
    "groups of channels": lambda m, x: x.view(len(x), 2, 2, *x.shape[2:]).transpose(1, 2).flatten(1, 2),
    "each second row": lambda m, x: x[:, :, ::2, 1::2],
    "without the last column": lambda m, x: x[..., :-1],
    "shifted": lambda m, x: torch.roll(x, (1, -2), (2, 3)),
    "mirrored": lambda m, x: x.flip(3),
    "twice as large": lambda m, x: F.interpolate(x, size=(2 * x.shape[2], 2 * x.shape[3]), mode="bilinear"),
    "gate of one pixel": lambda m, x: x * x.amax((2, 3), keepdim=True).expand_as(x),
    "gate expanded to the map": lambda m, x: x + x.mean((2, 3), keepdim=True).expand(-1, -1, x.shape[2], x.shape[3]),
    "columns first": lambda m, x: x.transpose(2, 3).contiguous().mT,
    "channels chosen by the size": lambda m, x: x[:, x.shape[2] % 3 :][:, :2],
    "padding by the size": lambda m, x: F.pad(x.mean((2, 3)), (x.shape[2] % 3, 2 - x.shape[2] % 3)),
    "a function of autograd's": lambda m, x: Twice.apply(x),
    "arithmetic": lambda m, x: torch.where(x > 0, x, 0.1 * x).clamp(max=3).mul_(2).add_(x).div(3) ** 2,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@torch.no_grad()
def test_functions(name, batch_of, worst_difference):
    model = prepared(Lines(FUNCTIONS[name]))
    assert worst_difference(model, batch_of(SIZES), SIZES) < 1e-12


@pytest.mark.parametrize("encoder", ["resnet18"])
@torch.no_grad()
def test_a_segmentation_network(encoder, batch_of, worst_difference):
    sizes = [(97, 81), (65, 113)]
    model = prepared(DeepLabV3Plus(encoder, 5, head_channels=16, skip_channels=8))
    assert worst_difference(model, batch_of(sizes), sizes) < 1e-10


@torch.no_grad()
def test_nothing_outside_is_read(batch_of):
    model = prepared(timm.create_model("test_resnet"))
    outputs = [
        forward_masked(model, batch_of(SIZES, outside=outside), SIZES).output
        for outside in (float("nan"), float("inf"), 0.0, -7.5)
    ]
    assert all(torch.equal(output, outputs[0]) for output in outputs)


@torch.no_grad()
def test_the_callers_images_stay(batch_of):
    images = batch_of(SIZES, outside=5.0)
    before = images.clone()
    forward_masked(prepared(Head(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True))), images, SIZES)
    assert torch.equal(images, before)


def test_gradients(batch_of):
    model = prepared(
        Head(nn.Conv2d(3, 4, 3, 2, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3, padding=1))
    )
    images = batch_of(SIZES)
    gradients = []
    for forward in (forward_masked, forward_singly):
        each = copy.deepcopy(model)
        pixels = images.clone().requires_grad_()
        forward(each, pixels, SIZES).output[1].square().sum().backward()
        own = [pixels.grad[n, :, :h, :w] for n, (h, w) in enumerate(SIZES)]
        gradients.append([*(parameter.grad for parameter in each.parameters()), *own])
        outside = [pixels.grad[n, :, h:] for n, (h, _) in enumerate(SIZES)]
        assert not any(part.any() for part in outside)
    for found, expected in zip(*gradients, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


@torch.no_grad()
def test_autocast(batch_of):
    model = prepared(timm.create_model("test_resnet")).float()
    images = batch_of(SIZES, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, expected = forward_masked(model, images, SIZES).output, forward_singly(model, images, SIZES).output
    assert found.dtype == expected.dtype
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


@torch.no_grad()
def test_images_as_large_as_the_canvas_are_a_plain_batch(batch_of):
    model = prepared(timm.create_model("test_resnet"))
    images = batch_of([(40, 40)] * 2, canvas=(40, 40))
    torch.testing.assert_close(forward_masked(model, images, [(40, 40)] * 2).output, model(images), rtol=0, atol=0)


@torch.no_grad()
def test_channels_last_and_large_batches(batch_of, worst_difference):
    sizes = [(9 + n % 5, 8 + n % 7) for n in range(20)]
    model = prepared(Head(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3, 2, 1)))
    images = batch_of(sizes).contiguous(memory_format=torch.channels_last)
    assert worst_difference(model.to(memory_format=torch.channels_last), images, sizes) < 1e-12
