import shutil

import numpy as np
import pytest
import torch
from torchvision import transforms
from torchvision.datasets import ImageFolder

from datamodules import DataError
from tests.datamodules.support import as_process, imagenet


def test_evaluation_equals_imagefolder_with_torchvision(sample_tree):
    # The tree has a grey and a CMYK JPEG, and a PNG named JPEG.
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    steps = [transforms.Resize(36), transforms.CenterCrop(32), transforms.ToTensor(), transforms.Normalize(mean, std)]
    expected = ImageFolder(sample_tree / "val", transforms.Compose(steps))
    data = imagenet(sample_tree)
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.test_dataloader()]
    assert torch.equal(torch.cat([images for images, _ in batches]), torch.stack([image for image, _ in expected]))
    assert torch.cat([targets for _, targets in batches]).tolist() == expected.targets


def test_val_from_train_is_held_out_of_training(sample_tree):
    data = imagenet(sample_tree, val_from_train=10, batch_size=5)
    assert (data.train_size, len(data.val_set()), len(data.test_set())) == (50, 10, 30)
    train, held = data.train_dataloader().dataset, data.val_dataloader().dataset
    train_files = {train.files.path(i) for i in train.selection}
    held_files = {held.files.path(i) for i in held.selection}
    assert not train_files & held_files
    assert len(train_files | held_files) == 60
    assert sorted(target for batch in data.val_dataloader() for target in batch[1].tolist()) == list(range(10))
    other = imagenet(sample_tree, val_from_train=10, seed=7).val_dataloader().dataset
    assert held_files == {other.files.path(i) for i in other.selection}
    reported = data.test_dataloader().dataset
    assert all("/val/" in reported.files.path(i) for i in range(30))


def test_images_per_class_does_not_reach_into_the_held_out(sample_tree):
    data = imagenet(sample_tree, val_from_train=10, images_per_class=2)
    assert (data.train_size, len(data.val_set())) == (20, 10)
    train = data.train_dataloader().dataset
    assert np.bincount(train.files.targets[train.selection]).tolist() == [2] * 10
    assert not set(train.selection) & set(data.val_dataloader().dataset.selection)


def test_names_are_known_before_setup(sample_tree, tree):
    data = imagenet(sample_tree)
    assert data.num_classes == 10
    assert data.class_folders[0] == "n90000001"
    assert data.class_names[:2] == ("disc", "ring")
    assert imagenet(tree).class_names == imagenet(tree).class_folders


@pytest.mark.parametrize(
    ("options", "near"), [({"batch_size": 10}, "8 or 12"), ({"batch_size": 8, "eval_batch_size": 3}, "4")]
)
def test_batch_that_does_not_divide_is_refused(sample_tree, options, near):
    data = as_process(imagenet(sample_tree, **options), 0, 4)
    with pytest.raises(DataError, match=rf"does not divide by 4 processes\. Set it to {near},"):
        data.setup("fit")


def test_lightnings_own_distributed_sampler_is_refused(sample_tree):
    data = as_process(imagenet(sample_tree), 0, 2)
    data.trainer._accelerator_connector = type("Connector", (), {"use_distributed_sampler": True})
    with pytest.raises(DataError, match="Set `use_distributed_sampler: false` in the Trainer"):
        data.setup("fit")


def test_training_classes_without_a_validation_image_are_said(sample_tree, tmp_path):
    tree = shutil.copytree(sample_tree, tmp_path / "tree")
    gone = sorted((tree / "val").iterdir())[3]
    shutil.rmtree(gone)
    with pytest.warns(UserWarning, match=f"1 training classes have no validation image: {gone.name}"):
        imagenet(tree, batch_size=10).check("fit")
