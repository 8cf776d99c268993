"""Jitter and blur: what is drawn, and that the device gives the bytes that Pillow gives."""

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.cityscapes.colours import Colours, colour_on_device, colour_with_pillow, draw_colours
from datamodules.loading import keyed
from tests.datamodules.support import picture


def test_every_order_and_the_whole_range_are_drawn():
    drawn = [draw_colours(0.25, (0.15, 1.3), keyed.generator("test", number)) for number in range(600)]
    assert len({each.order for each in drawn}) == 24
    for values, low, high in (
        *((np.array([each.factors[i] for each in drawn]), 0.75, 1.25) for i in range(3)),
        (np.array([each.factors[3] for each in drawn]), -0.25, 0.25),
        (np.array([each.sigma for each in drawn]), 0.15, 1.3),
    ):
        span = high - low
        assert low <= values.min() < low + 0.03 * span
        assert high - 0.03 * span < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.05 * span
    assert draw_colours(0.0, None, keyed.generator(0)) == Colours((), (), None)


def every_colour():
    """A grid of 4,913 colours, greys and the extremes among them, and as many at random: 99 x 99 pixels."""
    steps = np.r_[np.arange(0, 256, 17), 254]
    grid = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 3)
    drawn = np.random.default_rng(0).integers(0, 256, (99 * 99 - len(grid), 3))
    return Image.fromarray(np.concatenate((grid, drawn)).astype(np.uint8).reshape(99, 99, 3))


COLOURS = [
    *(Colours((number,), (factor,) * 4, None) for number in range(3) for factor in (0.5, 0.75, 0.93, 1.0, 1.1, 1.25)),
    *(Colours((3,), (turn,) * 4, None) for turn in (-0.5, -0.25, -0.003, 0.0, 0.004, 0.1, 0.25, 0.5)),
    *(Colours((), (), sigma) for sigma in (0.0, 0.15, 0.7, 1.3, 1.42, 3.7)),
    Colours((2, 0, 3, 1), (0.8, 1.2, 1.1, -0.2), 0.9),
    Colours((3, 1, 0, 2), (1.25, 0.75, 0.9, 0.17), 1.3),
]


SMALL = [(size, Colours((), (), 3.0)) for size in ((1, 1), (1, 7), (5, 2), (2, 1))]
"""Sizes smaller than the blur."""


@pytest.mark.parametrize(("size", "colours"), [*((None, each) for each in COLOURS), *SMALL], ids=str)
def test_the_device_gives_pillows_bytes(size, colours):
    image = picture(*size) if size else every_colour()
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    found = colour_on_device(pixels, [colours])[0].permute(1, 2, 0).numpy()
    assert np.array_equal(found, np.asarray(colour_with_pillow(image, colours)))


def test_each_image_of_a_batch_gets_its_own():
    images = torch.stack([torch.from_numpy(np.array(picture(9, 8, seed))).permute(2, 0, 1) for seed in range(5)])
    drawn = [draw_colours(0.25, (0.15, 1.3), keyed.generator("test", number)) for number in range(5)]
    batch = colour_on_device(images, drawn)
    for image, colours, found in zip(images, drawn, batch, strict=True):
        alone = colour_with_pillow(Image.fromarray(image.permute(1, 2, 0).numpy()), colours)
        assert np.array_equal(found.permute(1, 2, 0).numpy(), np.asarray(alone))
