"""Rule `grow`: Eq. 1 to 3 with the padded area as holes, against masks that are written out."""

import copy
import itertools
import random

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, convert_padding, forward_masked

SIZES = [(13, 22), (20, 9), (1, 1), (20, 22)]
CANVAS = (20, 22)


def explicit(layers, images, sizes):
    """The chain with the mask as a map of zeros and ones that is convolved with ones."""
    mask = torch.zeros(len(images), 1, *images.shape[2:], dtype=images.dtype)
    for n, (height, width) in enumerate(sizes):
        mask[n, :, :height, :width] = 1
    x = torch.where(mask > 0, images, 0)
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            x, mask = explicit_convolution(layer, x, mask)
        elif isinstance(layer, nn.MaxPool2d):
            shape = (layer.kernel_size, layer.stride, layer.padding)
            low = F.max_pool2d(torch.where(mask > 0, x, -1e300), *shape)
            mask = F.max_pool2d(mask, *shape)
            x = torch.where(mask > 0, low, 0)
        else:
            x = torch.where(mask > 0, layer(x), 0)
    return x, mask


def explicit_convolution(layer, x, mask):
    geometry = layer.stride, layer.padding, layer.dilation
    total = F.conv2d(x * mask, layer.weight, None, *geometry, layer.groups)
    count = F.conv2d(mask, torch.ones(1, 1, *layer.kernel_size, dtype=x.dtype), None, *geometry).round()
    bias = 0 if layer.bias is None else layer.bias.view(-1, 1, 1)
    output = torch.where(count > 0, total * layer.kernel_size[0] * layer.kernel_size[1] / count.clamp(min=1) + bias, 0)
    return output, (count > 0).to(x.dtype)


def random_chain(seed):
    rng = random.Random(seed)
    layers = []
    for _ in range(rng.randint(2, 5)):
        kernel = (rng.randint(1, 5), rng.randint(1, 5))
        groups, stride, pads = rng.choice([1, 1, 2]), rng.choice([1, 1, 2]), tuple(rng.randint(0, k) for k in kernel)
        dilation, bias = rng.choice([1, 1, 1, 2]), rng.random() < 0.5
        layers.append(nn.Conv2d(4, 4, kernel, stride, pads, dilation, groups, bias))
        layers.append(rng.choice([nn.ReLU(), nn.SiLU(), nn.Identity(), nn.MaxPool2d(3, rng.choice([1, 2]), 1)]))
    return nn.Sequential(*layers)


def fitting_chain(seed):
    """The first chain that leaves positions of the canvas."""
    return next(filter(fits, (random_chain(f"{seed}.{attempt}") for attempt in itertools.count())))


def fits(chain):
    try:
        copy.deepcopy(chain).to("meta")(torch.empty(1, 4, *CANVAS, device="meta"))
    except RuntimeError:
        return False
    return True


def with_gaps(layers):
    """Dilated windows can jump over an image of few pixels: then the valid positions are no rectangle."""
    return any(max(layer.dilation) > 1 for layer in layers if isinstance(layer, nn.Conv2d))


@pytest.mark.parametrize("seed", range(60))
def test_a_chain_equals_written_out_masks_everywhere(seed, batch_of):
    torch.manual_seed(seed)
    chain = fitting_chain(seed).double().eval()
    sizes = [size for size in SIZES if size != (1, 1) or not with_gaps(chain)]
    images = batch_of(sizes, canvas=CANVAS, channels=4)
    expected, mask = explicit(chain, images.nan_to_num(), sizes)
    for layer in chain:
        if isinstance(layer, nn.Conv2d) and any(layer.padding):
            convert_padding(layer, "partial")
    for gradients in (False, True):
        with torch.set_grad_enabled(gradients):
            output, valid = forward_masked(chain, images, sizes, rule="grow")
        torch.testing.assert_close(output, expected, rtol=1e-10, atol=1e-12)
        assert torch.equal(as_mask(valid, output), mask)


def as_mask(valid, output):
    mask = torch.zeros(len(output), 1, *output.shape[2:], dtype=output.dtype)
    for n, ((top, bottom), (left, right)) in enumerate(valid.tolist()):
        mask[n, :, top:bottom, left:right] = 1
    return mask


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide, self.narrow = nn.Conv2d(3, 2, 5, padding=2), nn.Conv2d(3, 2, 1)

    def forward(self, x):
        return self.wide(x) + self.narrow(x), torch.cat([self.narrow(x), self.wide(x)], 1)


@torch.no_grad()
def test_a_sum_of_differently_grown_maps_is_the_union(batch_of):
    model = Residual().double()
    images = batch_of([(9, 8), (5, 12)], canvas=(16, 16))
    sizes = [(9, 8), (5, 12)]
    wide, mask = explicit([model.wide], images.nan_to_num(), sizes)
    narrow, _ = explicit([model.narrow], images.nan_to_num(), sizes)
    convert_padding(model.wide, "partial")
    (total, both), (valid, _) = forward_masked(model, images, sizes, rule="grow")
    torch.testing.assert_close(total, wide + narrow)
    torch.testing.assert_close(both, torch.cat([narrow, wide], 1))
    assert torch.equal(as_mask(valid, total), mask)


def partial_network(name):
    model = timm.create_model(name, num_classes=5).double().eval()
    convert_padding(model, "partial")
    return model


@pytest.mark.parametrize("name", ["resnet18", "dla46x_c", "densenet121", "mobilenetv3_small_050", "test_convnext"])
@torch.no_grad()
def test_on_a_canvas_that_is_full_it_is_the_network_itself(name, batch_of):
    model, images = partial_network(name), batch_of([(64, 64)], canvas=(64, 64))
    torch.testing.assert_close(forward_masked(model, images, [(64, 64)], rule="grow").output, model(images))


@pytest.mark.parametrize("name", ["resnet50", "densenet121", "tf_efficientnet_b0", "test_convnext", "regnety_002"])
@torch.no_grad()
def test_nothing_outside_is_read(name, batch_of):
    model, sizes = partial_network(name), [(64, 40), (33, 70)]
    for check in (True, False):
        images = [batch_of(sizes, outside=value) for value in (float("nan"), 3.0)]
        outputs = [forward_masked(model, each, sizes, rule="grow", check=check).output for each in images]
        assert torch.equal(*outputs)
        assert outputs[0].isfinite().all()


@torch.no_grad()
def test_average_pools(batch_of):
    images, sizes = batch_of([(3, 4), (5, 5)], canvas=(6, 6), channels=1), [(3, 4), (5, 5)]
    own = forward_masked(nn.AvgPool2d(2), images, sizes, rule="grow").output
    assert own[0, 0, 1, 0] == pytest.approx(float(images[0, 0, 2, 0:2].mean()))  # the window's second row is a hole
    counted = forward_masked(nn.AvgPool2d(3, 1, 1), images, sizes, rule="grow").output
    assert counted[0, 0, 2, 0] == pytest.approx(float(images[0, 0, 1:3, 0:2].sum() / 9))  # holes as its padding: zeros
    partial = forward_masked(nn.AvgPool2d(3, 1, 1, count_include_pad=False), images, sizes, rule="grow").output
    assert partial[0, 0, 2, 0] == pytest.approx(float(images[0, 0, 1:3, 0:2].mean()))


@torch.no_grad()
def test_a_mean_is_one_over_valid_positions_wherever_they_begin(batch_of):
    convolution, sizes = nn.Conv2d(3, 2, 1, padding=2).double(), [(3, 4), (5, 5)]
    images = batch_of(sizes)
    expected = [convolution(images[n, :, :h, :w])[:, 2:-2, 2:-2].mean((1, 2)) for n, (h, w) in enumerate(sizes)]
    convert_padding(convolution, "partial")  # whose windows in the padding see nothing
    output = forward_masked(nn.Sequential(convolution, nn.AdaptiveAvgPool2d(1)), images, sizes, rule="grow").output
    torch.testing.assert_close(output.flatten(1), torch.stack(expected))


@torch.no_grad()
def test_an_image_of_which_nothing_is_seen_leaves_nothing(batch_of):
    model = nn.Conv2d(3, 2, 1, stride=4, padding=1).double()  # its windows miss the first two pixels
    convert_padding(model, "partial")
    output, valid = forward_masked(model, batch_of([(2, 2), (9, 9)]), [(2, 2), (9, 9)], rule="grow")
    assert not output[0].any()
    assert valid[0].tolist() == [[0, 0], [0, 0]]
    assert output[1].any()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Conv2d(3, 2, 3, padding=1), "pads as partial convolutions do not"),
        (nn.GroupNorm(1, 3), "torch.nn.functional.group_norm"),
        (nn.Sequential(nn.Conv2d(3, 2, 2, dilation=3, padding=3), nn.Conv2d(2, 2, 1)), "gaps"),
    ],
)
@torch.no_grad()
def test_what_eq_3_does_not_define_is_refused(model, message, batch_of):
    if message == "gaps":
        convert_padding(model, "partial")
    with pytest.raises(PaddingError, match=message):
        forward_masked(model.double(), batch_of([(1, 9), (9, 9)]), [(1, 9), (9, 9)], rule="grow")
