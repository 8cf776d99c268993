"""What the loaders of every data module promise."""

import random

import numpy as np
import pytest
import torch

from datamodules import IGNORED_PIXEL, IGNORED_TARGET, DataError
from datamodules.cityscapes.class_uniform import NO_CENTROID, ClassUniform, EpochPlan
from datamodules.loading.samplers import STAND_IN, TrainSampler
from tests.datamodules.support import as_process, cityscapes, imagenet, same_batches


@pytest.fixture(params=["imagenet", "cityscapes"])
def make(request):
    """A data module on drawn data: 60 images, or 18 scenes, to train on."""
    kind, tree = {"imagenet": (imagenet, "sample_tree"), "cityscapes": (cityscapes, "street_tree")}[request.param]
    root = request.getfixturevalue(tree)
    return lambda **options: kind(root, **{"batch_size": 6, **options})


def test_sample_is_the_same_for_any_number_of_workers(make):
    loaders = [make(num_workers=count).train_dataloader() for count in (0, 1, 2)]
    # Persistent workers meet a new epoch, and a new plan of it.
    for epoch in (0, 1):
        for loader in loaders:
            loader.sampler.set_epoch(epoch)
        first, *others = [list(loader) for loader in loaders]
        assert len(first) == len(loaders[0].dataset) // 6
        assert all(same_batches(first, other) for other in others)


def test_global_batch_is_the_same_for_any_number_of_processes(make):
    alone = [image for batch in make().train_dataloader() for image in batch[0]]
    for world in (2, 3):
        shares = []
        for rank in range(world):
            dataset = make().train_set()
            shares.append([dataset[key][0] for key in TrainSampler(len(dataset), 6, rank, world, seed=0)])
        together = [image for row in zip(*shares, strict=True) for image in row]
        assert len(together) == len(alone)
        assert all(torch.equal(a, b) for a, b in zip(together, alone, strict=True))


def test_augmentation_depends_on_seed_epoch_and_index(make, monkeypatch):
    """Of one image, which all samples are made of here."""
    plan = EpochPlan(np.zeros(2, dtype=np.int64), np.full((2, 2), NO_CENTROID))
    monkeypatch.setattr(ClassUniform, "plan", lambda self, seed, epoch: plan)
    dataset, other = make().train_set(), make(seed=1).train_set()
    for each in (dataset, other):
        each.selection = np.zeros(2, dtype=np.int64)
    assert torch.equal(dataset[0, 0][0], dataset[0, 0][0])
    for changed in (dataset[1, 0], dataset[0, 1], other[0, 0]):
        assert not torch.equal(dataset[0, 0][0], changed[0])


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_the_global_generators_alone(workers, make):
    data = make(num_workers=workers)
    before = torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate()
    next(iter(data.train_dataloader()))
    next(iter(data.val_dataloader()))
    assert before == (torch.get_rng_state().tolist(), np.random.get_state()[1].tolist(), random.getstate())


def test_predict_serves_a_folder_with_paths(make, tmp_path, write_image):
    """ImageNet's crops, Cityscapes' images of any size one by one; a stand-in has no path."""
    paths = [write_image(tmp_path / "b.png", (40, 30)), write_image(tmp_path / "deep" / "a.jpg", (21, 50))]
    data = make(predict_folder=str(tmp_path))
    data.setup("predict")
    batches = list(data.predict_dataloader())
    assert [path for _, names in batches for path in names] == list(map(str, paths))
    shapes = [tuple(image.shape) for images, _ in batches for image in images]
    assert shapes == ([(3, 32, 32)] * 2 if len(batches) == 1 else [(3, 30, 40), (3, 50, 21)])
    images, names = data.on_after_batch_transfer(batches[0], 0)
    assert (images.dtype, names) == (torch.float32, batches[0][1])
    assert data._predict_set()[STAND_IN][1] == ""
    with pytest.raises(DataError, match="`predict_folder` is not set"):
        make().check("predict")


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", [imagenet, cityscapes])
def test_undecodable_file_is_named_from_a_worker_too(kind, workers, tree, streets):
    root, pattern = (tree, "val/n00000002/1.png") if kind is imagenet else (streets, "leftImg8bit/val/munster/*.png")
    (broken,) = root.glob(pattern)
    broken.write_bytes(broken.read_bytes()[:200])
    options = {"image_size": 8, "eval_resize": 8} if kind is imagenet else {}
    with pytest.raises(DataError, match=rf"{broken.name}: cannot be decoded"):
        list(kind(root, num_workers=workers, **options).val_dataloader())


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_each_evaluation_image_counts_once_over_processes(make, world, padded):
    """And each process has as many batches: a stand-in fills up those that are one short, and does not count."""
    files = make(eval_padded=padded).val_set()
    expected = sorted(files[index][0].numpy().tobytes() for index in range(len(files)))
    counted, lengths = [], set()
    for rank in range(world):
        options = {"batch_size": 12, "eval_padded": padded, "num_workers": rank % 2}
        data = as_process(make(**options), rank, world)
        if hasattr(data, "padded_batch_size"):
            data.padded_batch_size = 2 * world
        batches = list(data.val_dataloader())
        lengths.add(len(batches))
        for image, target, *size in (sample for batch in batches for sample in zip(*batch, strict=True)):
            height, width = size[0].tolist() if padded else image.shape[1:]
            if (target != (IGNORED_PIXEL if target.ndim else IGNORED_TARGET)).any():
                counted.append(image[:, :height, :width].numpy().tobytes())
    assert len(lengths) == 1
    assert sorted(counted) == expected
