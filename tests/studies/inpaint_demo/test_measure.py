"""Masks and fillings of the demonstration against SciPy's filters and windows cut out one by one."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from padding import PartialConv2d
from studies.inpaint_demo.figures import chosen, cutout, mask_picture, percent
from studies.inpaint_demo.measure import (
    blur_holes,
    close_holes,
    difference,
    fill_holes,
    grow,
    measure,
    predict_mask,
    receptive_field,
)


def random_mask(height: int, width: int, share: float, seed: int) -> torch.Tensor:
    """Mostly holes, with something valid."""
    mask = torch.rand(height, width, generator=torch.Generator().manual_seed(seed)) < share
    mask[seed % height, -1] = True
    return mask


def windows(valid: np.ndarray, kernel: int, stride: int) -> np.ndarray:
    """Eq. 3, a window at a time."""
    half, (height, width) = kernel // 2, valid.shape
    found = np.zeros((math.ceil(height / stride), math.ceil(width / stride)), bool)
    for i, j in np.ndindex(found.shape):
        top, left = i * stride - half, j * stride - half
        found[i, j] = valid[max(top, 0) : top + kernel, max(left, 0) : left + kernel].any()
    return found


@pytest.fixture
def image():
    return torch.rand(1, 3, 17, 22, generator=torch.Generator().manual_seed(0)) * 200 + 50


@pytest.fixture
def valid():
    mask = torch.ones(17, 22, dtype=torch.bool)
    mask[3:12, 5:16] = mask[15:, :4] = False
    return mask


def test_a_3x3_layer_of_stride_1_dilates_the_mask_by_one_in_the_max_norm():
    valid = random_mask(23, 31, 0.01, seed=4)
    layers = close_holes(valid, 3, [1] * 40)
    for count, layer in enumerate(layers, start=1):
        square = np.ones((2 * count + 1, 2 * count + 1), bool)
        assert (layer.valid.numpy() == ndimage.binary_dilation(valid.numpy(), square)).all(), count
    assert layers[-1].valid.all()
    assert not layers[-2].valid.all(), "the chain ends at the first mask of ones"


@pytest.mark.parametrize("kernel", [3, 5, 7])
@pytest.mark.parametrize("seed", range(6))
def test_any_chain_is_eq_3_window_by_window_and_as_predicted_in_one_step(kernel, seed):
    random = np.random.default_rng(seed)
    strides = random.integers(1, 3, 6).tolist()
    valid = random_mask(*random.integers(5, 50, 2).tolist(), 0.004, seed)
    mask = valid.numpy()
    for layer, stride in zip(close_holes(valid, kernel, strides), strides, strict=False):
        assert layer.stride == stride
        assert (layer.before.numpy() == mask[::stride, ::stride]).all()
        mask = windows(mask, kernel, stride)
        assert (layer.valid.numpy() == mask).all()
        assert (layer.predicted.numpy() == mask).all()


def test_receptive_fields_by_hand():
    assert receptive_field(3, []) == (1, 1)
    assert receptive_field(3, [1, 2, 1]) == (9, 2)
    assert receptive_field(7, [2, 2]) == (19, 4)


def test_the_prediction_does_not_run_the_layers(monkeypatch, valid):
    monkeypatch.setattr("studies.inpaint_demo.measure.averaging", None)
    assert predict_mask(valid, 3, [1, 1, 1, 1, 1]).all()
    assert not predict_mask(valid, 3, [1, 1, 1, 1]).all()


@pytest.mark.parametrize("kernel", [3, 5])
def test_each_layer_fills_in_the_mean_of_what_is_valid_and_the_plain_one_counts_zeros(image, valid, kernel):
    intact = image[0].double().numpy()
    steps = fill_holes(image, valid[None, None], kernel)
    mask, partial = valid.numpy(), np.where(valid, intact, 0)
    plain = partial
    assert np.allclose(steps[0].partial[0], partial)
    for step in steps[1:]:
        # SciPy's mean over a window, zeros beyond the border, of values and of ones.
        means, plains = (
            np.stack([ndimage.uniform_filter(channel, kernel, mode="constant") for channel in each])
            for each in (partial * mask, plain)
        )
        shares = ndimage.uniform_filter(mask.astype(float), kernel, mode="constant")
        behind = shares > 1e-9
        partial = np.where(behind & ~mask, means / np.where(behind, shares, 1), partial)
        plain, mask = np.where(behind & ~mask, plains, plain), behind
        assert (step.valid[0, 0].numpy() == mask).all()
        assert np.allclose(step.partial[0], partial, rtol=1e-5)
        assert np.allclose(step.plain[0], plain, rtol=1e-5)
    assert steps[-1].valid.all()
    assert (steps[-1].partial[0][:, valid] == image[0][:, valid]).all(), "known pixels stay"


def test_one_colour_is_filled_in_exactly_and_by_the_plain_convolution_too_darkly(valid):
    flat = torch.full((1, 3, 17, 22), 90.0)
    steps = fill_holes(flat, valid[None, None], 3)
    errors = measure(flat, steps, 3)
    assert errors.partial == pytest.approx(0, abs=1e-4)
    assert errors.flat == pytest.approx(0, abs=1e-4)
    assert (steps[-1].plain <= 90.0 + 1e-4).all()
    # Zeros wash out where each layer computes everything anew, the more the more layers.
    assert 0 < errors.deeper < errors.anew < errors.plain < 90


def test_nothing_is_read_in_the_holes(image, valid):
    spoilt = torch.where(valid, image, torch.nan)
    for one, other in zip(
        fill_holes(image, valid[None, None], 3), fill_holes(spoilt, valid[None, None], 3), strict=True
    ):
        assert torch.equal(one.partial, other.partial)
        assert torch.equal(one.plain, other.plain)
    assert torch.equal(blur_holes(image, valid[None, None], 3, 4), blur_holes(spoilt, valid[None, None], 3, 4))


def test_plain_layers_that_compute_the_holes_anew(image, valid):
    known = np.where(valid, image[0].double().numpy(), 0)
    by_hand = known
    for _ in range(3):
        means = np.stack([ndimage.uniform_filter(channel, 3, mode="constant") for channel in by_hand])
        by_hand = np.where(valid, known, means)
    assert np.allclose(blur_holes(image, valid[None, None], 3, 3)[0], by_hand, rtol=1e-5)


def test_errors_are_means_over_the_holes(image, valid):
    steps = fill_holes(image, valid[None, None], 3)
    intact, holes = image[0].double().numpy(), ~valid.numpy()
    errors = measure(image, steps, 3)
    assert errors.partial == pytest.approx(np.abs(steps[-1].partial[0].numpy() - intact)[:, holes].mean(), rel=1e-5)
    assert errors.plain == pytest.approx(np.abs(steps[-1].plain[0].numpy() - intact)[:, holes].mean(), rel=1e-5)
    mean = intact[:, ~holes].mean(1)
    assert errors.flat == pytest.approx(np.abs(mean[:, None] - intact[:, holes]).mean(), rel=1e-5)


def test_a_hole_in_one_channel_is_filled_from_that_channel(image, valid):
    mask = torch.ones(1, 3, 17, 22, dtype=torch.bool)
    mask[0, 0] = valid
    red = fill_holes(image[:, :1], valid[None, None], 3)
    steps = fill_holes(image, mask, 3)
    assert len(steps) == len(red)
    for all_channels, alone in zip(steps, red, strict=True):
        assert torch.allclose(all_channels.partial[:, :1], alone.partial)
        assert torch.equal(all_channels.valid[:, :1], alone.valid)
        assert torch.equal(all_channels.partial[:, 1:], image[:, 1:])
    only_red = (steps[-1].partial - image).abs()[0, 0][~valid].mean().item()
    assert difference(steps[-1].partial, image, mask) == pytest.approx(only_red)


@pytest.mark.parametrize("kernel", [3, 5, 7])
def test_an_image_grows_over_its_canvas_by_the_kernels_reach(image, kernel):
    steps = grow(image[0], 8, kernel)
    assert len(steps) == 1 + math.ceil(8 / (kernel // 2))
    x = torch.zeros(1, 3, 25, 30)
    x[..., :17, :22] = image
    mask = torch.zeros(1, 1, 25, 30)
    mask[..., :17, :22] = 1
    layer = PartialConv2d(3, 3, kernel, padding=kernel // 2, groups=3, bias=False)
    torch.nn.init.constant_(layer.weight, 1 / kernel**2)
    for count, step in enumerate(steps):
        grown = count * (kernel // 2)
        assert step.size == (min(17 + grown, 25), min(22 + grown, 30))
        assert torch.allclose(step.output, x[0], atol=1e-3)
        with torch.no_grad():
            x, mask = layer(x, mask)


def test_masks_that_show_nothing_are_refused(image, valid):
    ones, nothing = torch.ones(17, 22, dtype=torch.bool), torch.zeros(17, 22, dtype=torch.bool)
    for mask, message in ((ones, "no hole"), (nothing, "nothing but holes")):
        with pytest.raises(ValueError, match=message):
            close_holes(mask, 3, [1])
        with pytest.raises(ValueError, match=message):
            fill_holes(image, mask[None, None], 3)
    with pytest.raises(ValueError, match="nothing but holes"):
        fill_holes(image, torch.stack([nothing, ones, valid])[None], 3)


def test_the_cutout_is_a_quarter_nearest_to_half_hole():
    valid = torch.ones(40, 80, dtype=torch.bool)
    valid[20:24, 40:80] = False
    rows, columns = cutout(valid)
    assert valid[rows, columns].shape == (10, 20)
    # The stripe is less than half as high as the part, so nothing is nearer than a part that holds all of it.
    assert valid[rows, columns].float().mean() == 0.6


def test_layers_shown_and_shares_said():
    assert chosen(1) == [1]
    assert chosen(3) == [1, 2, 3]
    assert chosen(60) == [1, 4, 15, 60]
    ones = torch.ones(300, 300, dtype=torch.bool)
    assert percent(ones) == "100.0 %"
    ones[0, 0] = False
    assert percent(ones) == "99.999 %"
    picture = mask_picture(torch.tensor([[True, True, False]]), torch.tensor([[True, False, False]]))
    assert len({tuple(colour) for colour in picture[0]}) == 3
