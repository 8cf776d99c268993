import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torchvision.transforms import transforms as v1

from datamodules import DataError
from datamodules.imagenet.transforms import (
    EvalTransform,
    FastEvalTransform,
    FastTrainTransform,
    RandomCrop,
    RandomResizedCrop,
    TrainTransform,
    resized_crop,
    train_transform,
)
from datamodules.loading import keyed
from datamodules.loading.decode import to_uint8
from tests.datamodules.support import picture


@pytest.mark.parametrize("size", [(500, 375), (375, 500), (301, 300), (40, 90), (256, 256), (257, 1000)])
@pytest.mark.parametrize(("resize", "crop"), [(256, 224), (73, 64), (48, 47)])
def test_evaluation_equals_torchvision_bit_for_bit(size, resize, crop):
    image = picture(*size)
    expected = v1.Compose([v1.Resize(resize), v1.CenterCrop(crop), v1.PILToTensor()])(image)
    ours = EvalTransform(crop, resize)(image)
    assert ours.dtype == torch.uint8
    assert ours.shape == (3, crop, crop)
    assert torch.equal(ours, expected)


@pytest.mark.parametrize("box", [(0, 0, 100, 80), (3, 5, 31, 17), (60, 2, 40, 78), (10, 10, 1, 2)])
@pytest.mark.parametrize("flip", [False, True])
def test_training_crop_equals_torchvision_bit_for_bit(box, flip):
    image = picture(100, 80)
    left, top, width, height = box
    expected = v1.F.resized_crop(image, top, left, height, width, [32, 32])
    expected = v1.F.pil_to_tensor(v1.F.hflip(expected) if flip else expected)
    assert torch.equal(to_uint8(resized_crop(image, box, 32), flip), expected)


# The last two make the ten attempts fail often, so that the central fallback is compared too.
@pytest.mark.parametrize(
    ("size", "scale"),
    [((500, 375), (0.08, 1.0)), ((60, 80), (0.35, 1.0)), ((300, 90), (0.5, 1.0)), ((50, 200), (0.3, 1.0))],
)
def test_boxes_are_distributed_as_torchvisions(size, scale):
    count = 4000
    crop = RandomResizedCrop(32, scale)
    ours = np.array([crop.box(*size, keyed.generator("test", i)) for i in range(count)])
    image = torch.empty(3, size[1], size[0])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        draws = [v1.RandomResizedCrop.get_params(image, list(scale), [3 / 4, 4 / 3]) for _ in range(count)]
    theirs = np.array([(left, top, width, height) for top, left, height, width in draws])
    # Left, top, width, height, area and aspect ratio, by Kolmogorov and Smirnov.
    both = (np.c_[boxes, boxes[:, 2] * boxes[:, 3], boxes[:, 2] / boxes[:, 3]].T for boxes in (ours, theirs))
    for number, pair in enumerate(zip(*both, strict=True)):
        assert ks_2samp(*pair, method="asymp").pvalue > 1e-4, number


def test_random_crop_reaches_every_place_and_copies_pixels():
    image = picture(11, 9)
    pixels = np.asarray(image)
    seen = set()
    for number in range(400):
        crop = np.asarray(RandomCrop(8)(image, keyed.generator("test", number)))
        places = [(y, x) for y in range(2) for x in range(4) if np.array_equal(pixels[y : y + 8, x : x + 8], crop)]
        assert len(places) == 1
        seen.update(places)
    assert len(seen) == 8


def test_flip_is_fair_and_can_be_off():
    image = picture(8, 8)
    plain = to_uint8(image)
    draws = [TrainTransform(RandomCrop(8))(image, keyed.generator("test", i)) for i in range(400)]
    flipped = sum(torch.equal(draw, plain.flip(2)) for draw in draws)
    assert flipped + sum(torch.equal(draw, plain) for draw in draws) == 400
    assert 150 < flipped < 250
    still = TrainTransform(RandomCrop(8), flip=False)
    assert all(torch.equal(still(image, keyed.generator("test", i)), plain) for i in range(50))


@pytest.mark.parametrize("size", [(500, 375), (300, 420), (60, 900), (33, 32)])
def test_fast_transforms_draw_the_same_and_differ_by_a_level(size):
    # As smooth as a photograph.
    image = picture(size[0] // 8 + 1, size[1] // 8 + 1).resize(size, Image.Resampling.BICUBIC)
    level = 1 / 255 / 0.225
    for number in range(20):
        keys = [keyed.generator("test", number) for _ in range(2)]
        exact = TrainTransform(RandomResizedCrop(64))(image, keys[0])
        fast = FastTrainTransform(RandomResizedCrop(64))(np.asarray(image), keys[1])
        assert keys[0].random() == keys[1].random()
        apart = (exact.float() - fast.float()).abs()
        assert apart.max() <= 1
        assert apart.mean() * level < 0.003
        assert fast.is_contiguous()
    for resize, crop in ((73, 64), (64, 64), (256, 224)):
        exact = EvalTransform(crop, resize)(image)
        for given in (image, np.asarray(image)):
            apart = (exact.float() - FastEvalTransform(crop, resize)(given).float()).abs()
            assert apart.max() <= 1
            assert apart.mean() * level < 0.003


@pytest.mark.parametrize("transform", [TrainTransform(RandomCrop(21)), EvalTransform(21)])
def test_image_smaller_than_the_crop_is_named(transform):
    arguments = (keyed.generator(0),) if isinstance(transform, TrainTransform) else ()
    with pytest.raises(DataError, match=r"some/file\.png: is 30 x 20 pixels, smaller than the crop of 21 x 21"):
        transform(picture(30, 20), *arguments, "some/file.png")


def test_an_unknown_crop_is_refused():
    with pytest.raises(DataError, match="`train_crop` is 'padded'; it must be 'random_resized' or 'random'"):
        train_transform("padded", 16, (0.08, 1.0), (3 / 4, 4 / 3), flip=True, fast=False)
