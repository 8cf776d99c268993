import shutil

import numpy as np
import pytest
import torch
from jsonargparse import ArgumentParser
from PIL import Image

from datamodules import CityscapesDataModule, DataError
from datamodules.cityscapes.labels import CLASS_OF_LABEL
from tests.datamodules.support import as_process, cityscapes


def test_training_batches_are_bytes_until_they_are_on_the_device(street_tree):
    data = cityscapes(street_tree)
    loader = data.train_dataloader()
    # 18 scenes of which two fill no batch of 4.
    assert (data.train_size, len(loader)) == (18, 4)
    images, targets = batch = next(iter(loader))
    assert (images.shape, images.dtype) == ((4, 3, 32, 32), torch.uint8)
    assert (targets.shape, targets.dtype) == ((4, 32, 32), torch.uint8)
    floats, classes = data.on_after_batch_transfer(batch, 0)
    mean, std = (torch.tensor(x).view(3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    assert torch.allclose(floats, (images / 255 - mean) / std, atol=1e-6)
    assert classes.dtype == torch.int64
    assert torch.equal(classes, targets.long())
    assert set(classes.unique().tolist()) <= {*range(19), 255}
    half, _ = as_process(data, 0, 1).on_after_batch_transfer(batch, 0)
    assert half.dtype == torch.bfloat16


def test_evaluation_serves_whole_images_of_the_files(street_tree):
    for split, folder, cities in ((0, "val", ("frankfurt", "lindau", "munster")), (1, "train", ("darmstadt",))):
        data = cityscapes(street_tree, split=split)
        batches = list(data.val_dataloader())
        assert len(batches) == 3
        for (images, targets), again in zip(batches, data.test_dataloader(), strict=True):
            assert (images.shape, targets.shape) == ((1, 3, 64, 128), (1, 64, 128))
            assert torch.equal(images, again[0])
        for (images, targets), city in zip(batches, cities, strict=False):
            name = f"{folder}/{city}/{city}_000000_000019"
            pixels = np.asarray(Image.open(street_tree / f"leftImg8bit/{name}_leftImg8bit.png"))
            ids = np.asarray(Image.open(street_tree / f"gtFine/{name}_gtFine_labelIds.png"))
            assert np.array_equal(images[0].permute(1, 2, 0), pixels)
            assert np.array_equal(targets[0], CLASS_OF_LABEL[ids])


def test_crops_are_cut_around_the_class_that_was_drawn(street_tree):
    data = cityscapes(street_tree, class_uniform=1.0, crop_size=48, scale=(1.0, 1.0), flip=False, jitter=0.0, blur=None)
    dataset = data.train_set()
    plan = dataset.sampling.plan(0, 0)
    assert (plan.centroids[:, 0] >= 0).sum() > 12
    for index in range(len(dataset)):
        image, target = dataset[0, index]
        pixels, classes = dataset.files.load(int(plan.scenes[index]))
        whole = torch.from_numpy(np.array(pixels)).permute(2, 0, 1)
        windows = whole.unfold(1, 48, 1).unfold(2, 48, 1)
        ((top, left),) = (windows == image[:, None, None]).all(-1).all(-1).all(0).nonzero().tolist()
        assert np.array_equal(target, classes[top : top + 48, left : left + 48])
        row, column = plan.centroids[index].tolist()
        assert row < 0 or (top <= row < top + 48 and left <= column < left + 48)


def test_train_class_of_coarse_images_alone_is_seen_until_they_end(street_tree):
    data = cityscapes(street_tree, class_uniform=1.0, coarse_until_epoch=3)
    dataset = data.train_set()
    assert len(dataset.files) == 18 + 4
    # 18 centroids for 19 classes: trams may be the one left out, but not each time.
    tram = [any(bool((dataset[epoch, index][1] == 16).any()) for index in range(18)) for epoch in range(6)]
    assert sum(tram[:3]) >= 2
    assert tram[3:] == [False] * 3
    without = cityscapes(street_tree, coarse=False).train_set()
    assert len(without.files) == 18


def test_settings_come_from_a_command_line():
    parser = ArgumentParser()
    parser.add_class_arguments(CityscapesDataModule, "data")
    for word, value in (("2", 2), ("folders", "folders")):
        parsed = parser.parse_args(["--data.root=x", f"--data.split={word}", "--data.blur=null"])
        assert parsed.data.split == value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": 3}, "`split` is 3"),
        ({"crop_size": 0}, "`crop_size` is 0"),
        ({"class_uniform": 1.5}, "`class_uniform` is 1.5"),
        ({"class_uniform": 0}, "no coarse image would ever be drawn"),
        ({"tile_size": 0}, "`tile_size` is 0"),
        ({"coarse_until_epoch": 0}, "`coarse_until_epoch` is 0"),
        ({"scale": (0.0, 1.0)}, "`scale` is"),
        ({"scale": (2.0, 1.0)}, "`scale` is"),
        ({"jitter": 0.6}, "`jitter` is 0.6"),
        ({"blur": (1.0, 0.5)}, "`blur` is"),
    ],
)
def test_settings_are_refused_at_construction(options, message):
    with pytest.raises(DataError, match=message):
        cityscapes("anywhere", **options)


def test_a_crop_larger_than_any_image_is_refused(street_tree):
    # 64 x 128 pixels at scale 2.
    with pytest.raises(DataError, match=r"`crop_size` is 129, larger than any image: scaled by 2\.0, .* has 256 x 128"):
        cityscapes(street_tree, crop_size=129).check("fit")
    cityscapes(street_tree, crop_size=128).check("fit")


def test_missing_coarse_labels_name_the_setting(streets):
    shutil.rmtree(streets / "gtCoarse")
    with pytest.raises(DataError, match=r"has no gtCoarse/train_extra folder.*set data\.coarse=false"):
        cityscapes(streets).check("fit")
    cityscapes(streets, coarse=False).check("fit")
    # Evaluation has no use for them.
    cityscapes(streets).check("validate")


def test_coarse_images_of_validation_cities_are_refused(streets):
    for kind in ("leftImg8bit", "gtCoarse"):
        (streets / kind / "train_extra" / "konstanz").rename(streets / kind / "train_extra" / "lindau")
    with pytest.raises(DataError, match="train_extra has 1 images of cities that split 0 validates on"):
        cityscapes(streets).check("fit")
    cityscapes(streets, split=1).check("fit")


def test_bad_label_of_any_training_file_is_found_before_training(streets):
    label = streets / "gtFine" / "train" / "zurich" / "zurich_000000_000019_gtFine_labelIds.png"
    Image.fromarray(np.full((64, 128), 77, dtype=np.uint8)).save(label)
    with pytest.raises(DataError, match=r"zurich_\S+\.png: holds 1 values that are no label id: 77"):
        cityscapes(streets).check("fit")


def test_an_image_that_is_all_margin_is_refused(street_tree):
    assert cityscapes(street_tree, margin=31).val_set()[0][0].shape == (3, 64, 128)
    with pytest.raises(DataError, match=r"frankfurt_\S+ is 128 x 64 pixels, too small for a margin of 32 on each side"):
        cityscapes(street_tree, margin=32).check("test")


def test_image_and_label_of_different_size_are_named(streets):
    label = streets / "gtFine" / "val" / "frankfurt" / "frankfurt_000000_000019_gtFine_labelIds.png"
    Image.fromarray(np.zeros((32, 64), dtype=np.uint8)).save(label)
    with pytest.raises(DataError, match=r"frankfurt_\S+ is 128 x 64 pixels, but its label file \S+ is 64 x 32"):
        cityscapes(streets).check("validate")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": 1}, "training files was"),
        ({"coarse": False}, "training files was .* sampling was"),
        ({"class_uniform": 0.25}, r"sampling was 'class_uniform=0\.5.* and is 'class_uniform=0\.25"),
        ({"tile_size": 64}, "sampling was"),
        ({"coarse_until_epoch": 2}, r"sampling was .*coarse_until_epoch=1.* and is .*coarse_until_epoch=2"),
        ({"crop_size": 24}, "augmentation was .*size=32.* and is .*size=24"),
        ({"jitter": 0.1}, "augmentation was"),
    ],
)
def test_resuming_on_other_samples_is_refused(change, message, street_tree):
    data, other = (cityscapes(street_tree, **{"coarse_until_epoch": 1, **options}) for options in ({}, change))
    with pytest.raises(DataError, match=message):
        other.load_state_dict({"epoch": 0, "batch": 1, **data._run_key()})
