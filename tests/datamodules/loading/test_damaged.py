"""Damaged training images: passed over in the same way by any worker and after any resume, and listed."""

import shutil
from pathlib import Path

import pytest
import torch

from datamodules import DataError
from datamodules.loading.damaged import read_notes
from tests.datamodules.support import cityscapes, imagenet, picture


def damage(data, index):
    """Cuts off the file of a sample of epoch 0; returns its name."""
    path = data.train_set().file((0, index))
    with open(path, "rb+") as file:
        file.truncate(100)
    return path


@pytest.mark.parametrize("make", [imagenet, cityscapes])
def test_the_next_index_of_the_epoch_stands_for_a_damaged_image(make, sample_tree, street_tree, tmp_path):
    root = shutil.copytree(street_tree if make is cityscapes else sample_tree, tmp_path / "tree")
    data = make(root, on_damaged="skip", **({"class_uniform": 0, "coarse": False} if make is cityscapes else {}))
    last = data.train_size - 1
    paths = {damage(data, index) for index in (4, 5, last)}
    gone = Path(data.train_set().file((0, 5)))
    gone.unlink()
    gone.symlink_to("nowhere")
    assert -1 in make(root).file_sets()["training"].sizes
    data.noted_in = tmp_path
    samples = data._samples()
    for damaged, taken in ((4, 6), (5, 6), (last, 0)):
        for one, other in zip(samples[0, damaged], data.train_set()[0, taken], strict=True):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))
    assert read_notes(tmp_path).keys() == paths
    with pytest.raises(DataError, match="cannot be decoded"):
        make(root).train_set()[0, 4]


def test_an_image_that_is_too_small_counts_and_too_many_stop(sample_tree, tmp_path):
    root = shutil.copytree(sample_tree, tmp_path / "tree")
    options = {"on_damaged": "skip", "train_crop": "random"}
    data = imagenet(root, max_skipped=2, **options)
    damage(data, 3)
    picture(8, 8).save(data.train_set().file((0, 4)))
    samples = data._samples()
    assert samples[0, 3][1] == samples[1, 4][1] == data.train_set()[0, 5][1]
    damage(data, 5)
    with pytest.raises(DataError, match="3 training images are damaged, more than `max_skipped` 2"):
        samples[0, 5]
    with pytest.raises(DataError, match=r"no training image can be used; the last: .* smaller"):
        imagenet(root, image_size=512, eval_resize=None, max_skipped=1000, **options)._samples()[0, 5]
    with pytest.raises(DataError, match="`max_skipped` is -1"):
        imagenet(root, max_skipped=-1)


def test_a_cut_off_note_is_passed_over(tmp_path):
    (tmp_path / ".skipped-host-1.jsonl").write_text('["a.png", "why"]\n["b.pn')
    assert read_notes(tmp_path) == {"a.png": "why"}
