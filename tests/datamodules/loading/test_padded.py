"""Images of different sizes in one batch: against torchvision's transforms, and against the images one by one."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder

from datamodules import IGNORED_PIXEL, DataError
from datamodules.imagenet.transforms import UncroppedTransform
from datamodules.loading.padded import PaddedBatch, collate_padded
from tests.datamodules.support import as_process, cityscapes, imagenet, picture

MEAN, STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_a_batch_has_the_sizes_of_its_images():
    images = [torch.zeros(3, height, width, dtype=torch.uint8) for height, width in ((2, 5), (4, 1))]
    batch = collate_padded([(image, image[0]) for image in images], IGNORED_PIXEL)
    assert (batch.images.shape, batch.targets.shape) == ((2, 3, 4, 5), (2, 4, 5))
    assert (batch.sizes.tolist(), batch.sizes.dtype) == ([[2, 5], [4, 1]], torch.int64)
    assert (batch.targets == IGNORED_PIXEL).sum() == 2 * 20 - 10 - 4
    assert batch.images.sum() == 0
    numbers, names = (collate_padded(list(zip(images, column, strict=True))).targets for column in ((3, 4), "ab"))
    assert (numbers.tolist(), names) == ([3, 4], ["a", "b"])


@pytest.mark.parametrize("size", [(50, 30), (30, 50), (31, 31), (200, 20), (20, 203)])
def test_an_image_keeps_its_aspect_ratio_and_no_side_is_longer_than_allowed(size):
    image = picture(*size)
    resized = np.asarray(transforms.Resize(24)(image)).transpose(2, 0, 1)
    whole = UncroppedTransform(64, 24)(image)
    assert max(whole.shape) <= 64
    assert min(whole.shape[1:]) == 24
    # What is cut off is the same at both ends, up to one pixel, and only what is beyond 64.
    (top, left) = ((resized.shape[axis] - whole.shape[axis]) // 2 for axis in (1, 2))
    assert np.array_equal(whole, resized[:, top : top + 64, left : left + 64])
    assert torch.equal(UncroppedTransform(300)(image), torch.from_numpy(np.array(image).transpose(2, 0, 1)))


def test_validate_serves_padded_batches_alone(sample_tree):
    """Of the images and targets, in the order, that the crops have; as large as each batch needs."""
    data = as_process(imagenet(sample_tree, eval_padded=True), 0, 1)
    plain, batches = list(imagenet(sample_tree).val_dataloader()), list(data.val_dataloader())
    resized = iter(ImageFolder(sample_tree / "val", transforms.Resize(36)))
    assert len(batches) == len(plain) == 5
    for batch, (_, expected) in zip(batches, plain, strict=True):
        assert type(batch) is PaddedBatch
        assert torch.equal(batch.targets, expected)
        assert (batch.images.dtype, batch.sizes.dtype, batch.sizes.shape) == (torch.uint8, torch.int64, (6, 2))
        assert batch.images.shape[2:] == tuple(batch.sizes.amax(0).tolist())
        for canvas, (height, width) in zip(batch.images, batch.sizes.tolist(), strict=True):
            assert np.array_equal(canvas[:, :height, :width], np.asarray(next(resized)[0]).transpose(2, 0, 1))
    assert len({batch.images.shape for batch in batches}) > 1


def test_on_the_device_an_image_is_normalised_as_alone_and_nothing_is_beyond_it(sample_tree):
    data = imagenet(sample_tree, eval_padded=True)
    batch = next(iter(data.val_dataloader()))
    steps = transforms.Compose([transforms.Resize(36), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    expected = ImageFolder(sample_tree / "val", steps)
    for fill in (0, 200):
        for canvas, (height, width) in zip(batch.images, batch.sizes.tolist(), strict=True):
            canvas[:, height:] = fill
            canvas[:, :, width:] = fill
        images, targets, sizes = moved = data.on_after_batch_transfer(batch, 0)
        assert type(moved) is PaddedBatch
        assert torch.equal(targets, batch.targets)
        assert torch.equal(sizes, batch.sizes)
        for number, (height, width) in enumerate(sizes.tolist()):
            assert torch.equal(images[number, :, :height, :width], expected[number][0])
            assert images[number, :, height:].abs().sum() == 0
            assert images[number, :, :, width:].abs().sum() == 0
    half = as_process(data, 0, 1).on_after_batch_transfer(batch, 0)
    assert (half.images.dtype, half.sizes.dtype) == (torch.bfloat16, torch.int64)


def test_lightning_and_pinning_keep_the_type():
    """`on_after_batch_transfer` and the networks' modules tell batches apart by it."""
    from pytorch_lightning.utilities import move_data_to_device

    batch = PaddedBatch(torch.zeros(1, 3, 2, 2), ["a"], torch.ones(1, 2))
    assert type(move_data_to_device(batch, torch.device("meta"))) is PaddedBatch


def test_training_and_the_reported_test_crop_in_any_case(sample_tree):
    data = imagenet(sample_tree, eval_padded=True, val_from_train=10, batch_size=5)
    for fn, loader in (("fit", "val"), ("test", "test")):
        batch = next(iter(getattr(as_process(data, 0, 1, fn), f"{loader}_dataloader")()))
        assert type(batch) is tuple
        assert batch[0].shape[2:] == (32, 32)
    held_out = list(as_process(data, 0, 1).val_dataloader())
    assert sorted(target for batch in held_out for target in batch.targets.tolist()) == list(range(10))


def test_predict_pads_images_and_cuts_what_is_too_long(tmp_path, write_image):
    for name, size in (("a", (400, 36)), ("b", (36, 72))):
        write_image(tmp_path / f"{name}.png", size)
    data = imagenet("anywhere", predict_folder=str(tmp_path), eval_padded=True, padded_side=64)
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    moved = data.on_after_batch_transfer(batch, 0)
    assert moved.targets == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert (moved.images.shape, moved.sizes.tolist()) == ((2, 3, 64, 64), [[36, 64], [64, 36]])


def test_a_side_that_leaves_less_than_the_crop_is_refused():
    with pytest.raises(DataError, match=r"`padded_side` is 35, smaller than `eval_resize` 36: .* Raise it"):
        imagenet("anywhere", padded_side=35)
    with pytest.raises(DataError, match="`padded_side` is 31, smaller than `image_size` 32"):
        imagenet("anywhere", padded_side=31, eval_resize=None)


@pytest.fixture
def mixed_streets(streets):
    """Validation scenes of three sizes: 128 x 64 pixels, 90 x 64 and 128 x 41."""
    for city, size in (("lindau", (90, 64)), ("munster", (128, 41))):
        for path in (*(streets / "leftImg8bit/val" / city).iterdir(), *(streets / "gtFine/val" / city).iterdir()):
            Image.open(path).crop((0, 0, *size)).save(path)
    return streets


def test_scenes_of_different_sizes_share_a_batch_and_its_rest_is_ignored(mixed_streets):
    data = as_process(cityscapes(mixed_streets, eval_padded=True, padded_batch_size=3), 0, 1)
    alone = [(image[0], target[0]) for image, target in cityscapes(mixed_streets).val_dataloader()]
    (batch,) = data.val_dataloader()
    assert batch.images.dtype == batch.targets.dtype == torch.uint8
    images, targets, sizes = data.on_after_batch_transfer(batch, 0)
    assert sizes.tolist() == [[64, 128], [64, 90], [41, 128]]
    assert (images.shape, images.dtype) == ((3, 3, 64, 128), torch.bfloat16)
    assert (targets.shape, targets.dtype) == ((3, 64, 128), torch.int64)
    for number, (image, target) in enumerate(alone):
        height, width = target.shape
        expected, _ = data.on_after_batch_transfer((image[None], target[None]), 0)
        assert torch.equal(images[number, :, :height, :width], expected[0])
        assert torch.equal(targets[number, :height, :width], target.long())
        assert images[number].sum() == images[number, :, :height, :width].sum()
        assert (targets[number] != 255).sum() == (target != 255).sum()


def test_a_padded_batch_must_divide(street_tree):
    data = as_process(cityscapes(street_tree, eval_padded=True, batch_size=6), 0, 3)
    with pytest.raises(DataError, match="`padded_batch_size` is 4 over all processes, which does not divide by 3"):
        data.check("validate")
    data.check("test")
    with pytest.raises(DataError, match="`padded_batch_size` is 0"):
        cityscapes("anywhere", padded_batch_size=0)
