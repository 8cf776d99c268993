"""Images of different sizes in one batch: against torchvision's transforms, and against the images one by one."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder

from datamodules import IGNORED, CityscapesDataModule, DataError, ImageNetDataModule
from datamodules.imagenet.transforms import WholeTransform
from datamodules.loading.padded import collate_padded, pad

MEAN, STD = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def imagenet(root, **options):
    options = {"batch_size": 6, "image_size": 32, "eval_resize": 36, "num_workers": 0, "cache_index": False, **options}
    return ImageNetDataModule(str(root), **options)


def cityscapes(root, **options):
    options = {"batch_size": 4, "crop_size": 32, "num_workers": 0, "cache_index": False, **options}
    return CityscapesDataModule(str(root), **options)


class Processes:
    """Stands for a Trainer of several processes."""

    def __init__(self, rank, world, fn="validate"):
        self.global_rank, self.world_size = rank, world
        self.state = type("State", (), {"fn": fn})
        self.strategy = type("Strategy", (), {"root_device": torch.device("cpu")})
        self.precision_plugin = type("Precision", (), {"convert_input": staticmethod(lambda images: images.bfloat16())})


def as_process(data, rank, world, fn="validate"):
    data.trainer = Processes(rank, world, fn)
    return data


def test_each_tensor_stands_at_the_top_left_and_the_fill_beyond_it():
    tensors = [torch.full((3, 2, 5), 7, dtype=torch.uint8), torch.full((3, 4, 1), 9, dtype=torch.uint8)]
    padded = pad(tensors, 1)
    assert (padded.shape, padded.dtype) == ((2, 3, 4, 5), torch.uint8)
    expected = np.ones((2, 3, 4, 5))
    expected[0, :, :2], expected[1, :, :, :1] = 7, 9
    assert np.array_equal(padded, expected)


def test_a_batch_ends_with_the_sizes_of_its_images():
    samples = [
        (torch.zeros(3, h, w, dtype=torch.uint8), torch.zeros(h, w, dtype=torch.uint8), name)
        for h, w, name in ((2, 5, "a"), (4, 1, "b"))
    ]
    images, classes, names, sizes = collate_padded(samples, {0: 0, 1: 255})
    assert (images.shape, classes.shape, names) == ((2, 3, 4, 5), (2, 4, 5), ["a", "b"])
    assert (sizes.tolist(), sizes.dtype) == ([[2, 5], [4, 1]], torch.int64)
    assert (classes == 255).sum() == 2 * 20 - 10 - 4
    assert images.sum() == 0


@pytest.mark.parametrize("size", [(50, 30), (30, 50), (31, 31), (200, 20), (20, 203)])
def test_a_whole_image_keeps_its_aspect_ratio_and_no_side_is_longer_than_allowed(size):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    resized = np.asarray(transforms.Resize(24)(image)).transpose(2, 0, 1)
    whole = WholeTransform(64, 24)(image)
    assert max(whole.shape) <= 64
    assert min(whole.shape[1:]) == 24
    # What is cut off is the same at both ends, up to one pixel, and only what is beyond 64.
    (top, left) = ((resized.shape[axis] - whole.shape[axis]) // 2 for axis in (1, 2))
    assert np.array_equal(whole, resized[:, top : top + 64, left : left + 64])
    assert torch.equal(WholeTransform(300)(image), torch.from_numpy(pixels.transpose(2, 0, 1)))


def test_validate_serves_the_crops_as_ever_and_the_same_images_whole(sample_tree):
    data = as_process(imagenet(sample_tree, eval_padded=True), 0, 1)
    plain = list(imagenet(sample_tree).val_dataloader())
    batches = list(data.val_dataloader())
    resized = iter(ImageFolder(sample_tree / "val", transforms.Resize(36)))
    assert len(batches) == len(plain) == 5
    canvases = set()
    for (crops, targets, whole, sizes), (images, expected) in zip(batches, plain, strict=True):
        assert torch.equal(crops, images)
        assert torch.equal(targets, expected)
        assert (whole.dtype, sizes.dtype, sizes.shape) == (torch.uint8, torch.int64, (6, 2))
        canvases.add(tuple(whole.shape[2:]))
        assert tuple(whole.shape[2:]) == tuple(sizes.amax(0).tolist())
        for crop, canvas, (height, width) in zip(crops, whole, sizes.tolist(), strict=True):
            image = np.asarray(next(resized)[0]).transpose(2, 0, 1)
            assert image.shape == (3, height, width)
            assert np.array_equal(canvas[:, :height, :width], image)
            top, left = round((height - 32) / 2), round((width - 32) / 2)
            assert torch.equal(canvas[:, top : top + 32, left : left + 32], crop)
    assert len(canvases) > 1, "the canvas is as large as its batch needs"


def test_on_the_device_an_image_is_normalised_as_alone_and_nothing_is_beyond_it(sample_tree):
    data = imagenet(sample_tree, eval_padded=True)
    crops, targets, whole, sizes = next(iter(data.val_dataloader()))
    steps = transforms.Compose([transforms.Resize(36), transforms.ToTensor(), transforms.Normalize(MEAN, STD)])
    expected = ImageFolder(sample_tree / "val", steps)
    for fill in (0, 200):
        for canvas, (height, width) in zip(whole, sizes.tolist(), strict=True):
            canvas[:, height:] = fill
            canvas[:, :, width:] = fill
        images, same, shown, kept = data.on_after_batch_transfer((crops, targets, whole, sizes), 0)
        assert torch.equal(images, data.on_after_batch_transfer((crops, targets), 0)[0])
        assert torch.equal(same, targets)
        assert torch.equal(kept, sizes)
        for number, (height, width) in enumerate(sizes.tolist()):
            assert torch.equal(shown[number, :, :height, :width], expected[number][0])
            assert shown[number, :, height:].abs().sum() == 0
            assert shown[number, :, :, width:].abs().sum() == 0
    half = as_process(data, 0, 1).on_after_batch_transfer((crops, targets, whole, sizes), 0)
    assert (half[0].dtype, half[2].dtype, half[3].dtype) == (torch.bfloat16, torch.bfloat16, torch.int64)


@pytest.mark.parametrize(("world", "workers"), [(1, 0), (2, 0), (2, 1), (4, 0)])
def test_each_whole_image_counts_once_over_processes(sample_tree, world, workers):
    counted, lengths = [], []
    for rank in range(world):
        data = as_process(imagenet(sample_tree, eval_padded=True, eval_batch_size=4, num_workers=workers), rank, world)
        batches = list(data.val_dataloader())
        lengths.append(len(batches))
        for _, targets, whole, sizes in batches:
            assert len(whole) == len(sizes) == len(targets)
            for canvas, (height, width), target in zip(whole, sizes.tolist(), targets.tolist(), strict=True):
                if target != IGNORED:
                    counted.append(canvas[:, :height, :width].numpy().tobytes())
    resized = ImageFolder(sample_tree / "val", transforms.Resize(36))
    expected = [np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1)).tobytes() for image, _ in resized]
    assert len(set(lengths)) == 1
    assert sorted(counted) == sorted(expected)


def test_training_and_the_reported_test_crop_in_any_case(sample_tree):
    data = imagenet(sample_tree, eval_padded=True, val_from_train=10, batch_size=5)
    assert len(next(iter(as_process(data, 0, 1, fn="fit").val_dataloader()))) == 2
    assert len(next(iter(as_process(data, 0, 1, fn="test").test_dataloader()))) == 2
    held_out = list(as_process(data, 0, 1).val_dataloader())
    assert [len(batch) for batch in held_out] == [4, 4]
    assert sorted(target for batch in held_out for target in batch[1].tolist()) == list(range(10))


def test_predict_serves_whole_images_with_paths_and_sizes(tmp_path, write_image):
    write_image(tmp_path / "a.png", (60, 40))
    write_image(tmp_path / "b.png", (40, 80), seed=1)
    data = imagenet("anywhere", eval_padded=True, predict_folder=str(tmp_path), padded_side=64)
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    whole, paths, sizes = data.on_after_batch_transfer(batch, 0)
    assert paths == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    assert sizes.tolist() == [[36, 54], [64, 36]]
    assert (whole.shape, whole.dtype) == ((2, 3, 64, 54), torch.float32)


def test_a_strip_does_not_blow_up_the_canvas(tmp_path, write_image):
    for split in ("train", "val"):
        write_image(tmp_path / split / "a" / "strip.png", (400, 20))
        write_image(tmp_path / split / "a" / "tower.png", (20, 400))
    data = imagenet(tmp_path, eval_padded=True, padded_side=64, eval_batch_size=2)
    _, _, whole, sizes = next(iter(data.val_dataloader()))
    assert whole.shape == (2, 3, 64, 64)
    assert sizes.tolist() == [[36, 64], [64, 36]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"padded_side": 35}, "`padded_side` is 35, smaller than `eval_resize` 36: .* Raise it"),
        ({"padded_side": 31, "eval_resize": None}, "`padded_side` is 31, smaller than `image_size` 32"),
    ],
)
def test_a_side_that_leaves_less_than_the_crop_is_refused(options, message):
    with pytest.raises(DataError, match=message):
        imagenet("anywhere", **options)


@pytest.fixture
def mixed_streets(streets):
    """Validation scenes of three sizes: 128 x 64 pixels, 90 x 64 and 128 x 41."""
    for city, size in (("lindau", (90, 64)), ("munster", (128, 41))):
        for path in (*(streets / "leftImg8bit/val" / city).iterdir(), *(streets / "gtFine/val" / city).iterdir()):
            if path.name.endswith(("leftImg8bit.png", "labelIds.png")):
                Image.open(path).crop((0, 0, *size)).save(path)
    return streets


def test_scenes_of_different_sizes_share_a_canvas_and_its_rest_is_ignored(mixed_streets):
    data = as_process(cityscapes(mixed_streets, eval_padded=True, padded_batch_size=3), 0, 1)
    alone = [(image[0], target[0]) for image, target in cityscapes(mixed_streets).val_dataloader()]
    (batch,) = data.val_dataloader()
    assert batch[0].dtype == batch[1].dtype == torch.uint8
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


@pytest.mark.parametrize("world", [1, 2, 3])
def test_each_scene_counts_once_over_processes(mixed_streets, world):
    expected = sorted(image.numpy().tobytes() for image, _ in cityscapes(mixed_streets).val_dataloader())
    counted, lengths = [], []
    for rank in range(world):
        options = {"eval_padded": True, "padded_batch_size": 2 * world, "batch_size": 6}
        batches = list(as_process(cityscapes(mixed_streets, **options), rank, world).val_dataloader())
        lengths.append(len(batches))
        for images, targets, sizes in batches:
            for image, target, (height, width) in zip(images, targets, sizes.tolist(), strict=True):
                if (target != 255).any():
                    counted.append(image[:, :height, :width].numpy().tobytes())
    assert len(set(lengths)) == 1
    assert sorted(counted) == expected


def test_scenes_come_one_by_one_in_training_and_in_test(street_tree):
    data = cityscapes(street_tree, eval_padded=True)
    for fn, loader in (("fit", "val"), ("test", "test")):
        batch = next(iter(getattr(as_process(data, 0, 1, fn), f"{loader}_dataloader")()))
        assert [len(part) for part in batch] == [1, 1]


def test_a_padded_batch_must_divide(street_tree):
    data = as_process(cityscapes(street_tree, eval_padded=True, batch_size=6), 0, 3)
    with pytest.raises(DataError, match="`padded_batch_size` is 4 over all processes, which does not divide by 3"):
        data.check("validate")
    data.check("test")
    with pytest.raises(DataError, match="`padded_batch_size` is 0"):
        cityscapes("anywhere", padded_batch_size=0)
