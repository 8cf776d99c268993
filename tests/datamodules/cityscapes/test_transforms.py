import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torchvision.transforms import functional

from datamodules.cityscapes.colours import colour_on_device
from datamodules.cityscapes.transforms import (
    TOLERANCE,
    FastSegmentationTransform,
    SegmentationTransform,
    crop_start,
    near_window,
    scaled_classes_window,
    scaled_size,
    scaled_window,
)
from datamodules.loading import keyed
from tests.datamodules.support import picture


def blocks(width, height, side=8, seed=0):
    """Classes in squares, some of them ignored."""
    random = np.random.default_rng(seed)
    classes = random.integers(0, 20, (height // side + 1, width // side + 1)).astype(np.uint8)
    classes[classes == 19] = 255
    return np.ascontiguousarray(classes.repeat(side, 0).repeat(side, 1)[:height, :width])


class Numbers:
    """A generator that gives what it was told."""

    def __init__(self, *numbers):
        self.numbers = list(numbers)

    def random(self):
        return self.numbers.pop(0)


# Pixels.


@pytest.mark.parametrize("size", [(64, 32), (61, 33), (20, 20)])
@pytest.mark.parametrize("factor", [0.5, 0.61, 1.0, 1.37, 2.0])
@pytest.mark.parametrize("crop", [1, 9, 24, 50])
def test_window_equals_resizing_all_padding_and_cropping(size, factor, crop):
    image, classes = picture(*size), blocks(*size, side=3)
    scaled = scaled_size(size, factor)
    whole = image.resize(scaled, Image.Resampling.BICUBIC)
    rows = ((np.arange(scaled[1]) + 0.5) * size[1] / scaled[1]).astype(int)
    columns = ((np.arange(scaled[0]) + 0.5) * size[0] / scaled[0]).astype(int)
    whole_classes = classes[rows][:, columns]
    random = np.random.default_rng(1)
    for _ in range(6):
        corner = [int(random.integers(-3, max(length - crop, 0) + 3)) for length in scaled]
        left, top = (min(max(c, 1 - crop), length - 1) for c, length in zip(corner, scaled, strict=False))
        # PIL's crop beyond the image gives black.
        expected = whole.crop((left, top, left + crop, top + crop))
        ours = scaled_window(image, scaled, (left, top), crop)
        assert np.array_equal(np.asarray(ours), np.asarray(expected))
        mask = Image.fromarray(np.pad(whole_classes, crop, constant_values=255))
        mask = np.asarray(mask.crop((left + crop, top + crop, left + 2 * crop, top + 2 * crop)))
        assert np.array_equal(scaled_classes_window(classes, scaled, (left, top), crop), mask)


def ramp(size, crop, factor, corner, axis):
    """An image whose brightness is where a pixel lies, and the brightness that each pixel of a crop should have."""
    width, height = size
    places = np.arange(width) if axis == 0 else np.arange(height)[:, None]
    image = np.repeat(np.broadcast_to(places, (height, width))[..., None], 3, 2).astype(np.uint8)
    scaled = scaled_size(size, factor)
    wanted = (corner[axis] + np.arange(crop) + 0.5) * size[axis] / scaled[axis] - 0.5
    return image, scaled, wanted


@pytest.mark.parametrize("factor", [0.5, 0.97, 0.996, 1.004, 1.3, 2.0])
@pytest.mark.parametrize("axis", [0, 1])
def test_near_window_lies_where_it_should(factor, axis):
    # Factors near 1 are hard: pixels of both grids drift apart slowly, and meet again only far away.
    size, crop = (256, 250), 60
    room = min(scaled_size(size, factor)) - crop
    for corner in {(20, 20), (room // 2, room // 2), (room - 9, room - 9)}:
        image, scaled, wanted = ramp(size, crop, factor, corner, axis)
        found = near_window(image, scaled, corner, crop).double().numpy()[0]
        found = found.mean(0) if axis == 0 else found.mean(1)
        # Half a level of rounding, and the share of a pixel (a level here) that the crop may be moved by.
        assert np.abs(found - wanted).max() <= 0.51 + 1 / TOLERANCE


def test_near_window_is_close_to_the_exact_one_and_equal_where_the_grids_meet():
    image = picture(40, 30).resize((160, 120), Image.Resampling.BICUBIC)
    for factor, corner in ((1.0, (31, 20)), (0.5, (10, -3)), (2.0, (7, 90)), (0.73, (-20, 5)), (1.21, (100, 60))):
        scaled = scaled_size(image.size, factor)
        exact = np.asarray(scaled_window(image, scaled, corner, 64)).astype(int)
        near = near_window(np.asarray(image), scaled, corner, 64).permute(1, 2, 0).numpy()
        apart = np.abs(near - exact)
        assert apart.max() <= (2 if factor in (0.73, 1.21) else 1)
        assert apart.mean() < 0.3


def test_fast_samples_are_those_of_the_exact_transform():
    """The same draws: the same place, mirrored alike, the same classes, and the colours that are still to be done."""
    image, classes = picture(60, 40).resize((240, 160), Image.Resampling.BICUBIC), blocks(240, 160)
    for number in range(12):
        keys = [keyed.generator("test", number) for _ in range(3)]
        exact, target = SegmentationTransform(64)(image, classes, keys[0], (80, 120))
        fast, fast_target, colours = FastSegmentationTransform(64)(np.asarray(image), classes, keys[1], (80, 120))
        assert torch.equal(fast_target, target)
        assert (colour_on_device(fast[None], [colours])[0].float() - exact.float()).abs().mean() < 1.0
        plain = SegmentationTransform(64, jitter=0.0, blur=None)(image, classes, keys[2], (80, 120))[0]
        assert (fast.float() - plain.float()).abs().max() <= 3
        assert keys[0].random() == keys[1].random()


# The place of the crop.


@pytest.mark.parametrize("crop", [1, 17])
@pytest.mark.parametrize("size", [(50, 30), (37, 41)])
def test_crop_contains_the_centroid_at_every_scale(size, crop):
    transform = SegmentationTransform(crop)
    edges = flips = 0
    for number in range(1500):
        random = keyed.generator("test", number)
        pixel = int(random.random() * size[1]), int(random.random() * size[0])
        scaled, corner, flip = transform._place(size, pixel, random)
        flips += flip
        for start, length, before, inside in zip(corner, scaled, size, pixel[::-1], strict=True):
            place = np.floor((inside + 0.5) * length / before)
            assert start <= place < start + crop
            assert start >= 0 and start + crop <= length if length >= crop else start <= 0
            edges += place in (start, start + crop - 1)
    # The crop's first and last pixel are reached, and half of the crops are mirrored.
    assert edges > 100
    assert 650 < flips < 850


def test_starts_are_uniform_among_those_that_contain_the_pixel():
    for length, crop, pixel, expected in (
        (20, 6, None, range(15)),
        (20, 6, 10, range(5, 11)),
        (20, 6, 2, range(3)),
        (20, 6, 19, range(14, 15)),
        (6, 6, 3, range(1)),
    ):
        starts = [crop_start(length, crop, pixel, keyed.generator("test", i)) for i in range(1500)]
        counts = np.bincount(starts, minlength=length)
        assert set(np.flatnonzero(counts)) == set(expected)
        assert counts[list(expected)].min() > 0.6 * 1500 / len(expected)


# Flip, colours and blur.


def test_steps_come_in_the_papers_order():
    image, classes = picture(60, 40), blocks(60, 40)
    # Scale 1.25 and so 75 x 50; left 0.5, top none drawn since 50 < 64 is padded; flipped; jitter's order and factors.
    numbers = (0.5, 0.5, 0.1, 0.4, 0.1, 0.3, 0.2, 0.9, 0.2, 0.7, 0.6, 0.8)
    pixels, target = SegmentationTransform(64)(image, classes, Numbers(*numbers), None)
    step = image.resize((75, 50), Image.Resampling.BICUBIC)
    step = ImageOps.expand(step, (0, 7, 0, 7)).crop((6, 0, 70, 64))
    step = ImageOps.mirror(step)
    # The smallest of 0.4, 0.1, 0.3, 0.2 first: contrast, hue, saturation, brightness.
    step = functional.adjust_contrast(step, 0.75 + 0.5 * 0.2)
    step = functional.adjust_hue(step, -0.25 + 0.5 * 0.6)
    step = functional.adjust_saturation(step, 0.75 + 0.5 * 0.7)
    step = functional.adjust_brightness(step, 0.75 + 0.5 * 0.9)
    step = step.filter(ImageFilter.GaussianBlur(0.15 + 1.15 * 0.8))
    assert np.array_equal(pixels.permute(1, 2, 0).numpy(), np.asarray(step))
    mask = Image.fromarray(classes).resize((75, 50), Image.Resampling.NEAREST)
    mask = ImageOps.mirror(ImageOps.expand(mask, (0, 7, 0, 7), fill=255).crop((6, 0, 70, 64)))
    assert np.array_equal(target.numpy(), np.asarray(mask))
