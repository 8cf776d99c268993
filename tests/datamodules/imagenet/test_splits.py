import numpy as np
import pytest

from datamodules import DataError
from datamodules.imagenet.splits import hold_out, limit_per_class

CLASSES = ("a", "b", "c")
TARGETS = np.repeat([0, 1, 2], [100, 50, 10])


@pytest.mark.parametrize(
    ("amount", "counts"), [(16, [10, 5, 1]), (0.1, [10, 5, 1]), (17, [11, 5, 1]), (80, [50, 25, 5])]
)
def test_hold_out_is_disjoint_complete_and_stratified(amount, counts):
    kept, held = hold_out(TARGETS, CLASSES, amount)
    assert np.array_equal(np.sort(np.concatenate([kept, held])), np.arange(160))
    assert np.bincount(TARGETS[held], minlength=3).tolist() == counts


def test_hold_out_is_pinned():
    """A published number on the mini-validation means these images."""
    held = "10 13 19 27 31 40 42 60 77 91 111 129 136 140 143 151"
    assert " ".join(map(str, hold_out(TARGETS, CLASSES, 16)[1])) == held


def test_other_classes_do_not_change_a_classs_draw():
    with_all = hold_out(TARGETS, CLASSES, 16)[1]
    without = hold_out(TARGETS[100:] - 1, CLASSES[1:], 6)[1]
    assert (with_all[with_all >= 100] - 100).tolist() == without.tolist()


@pytest.mark.parametrize("amount", [-1, 1.0, 1.5, 160, 0.001])
def test_amounts_out_of_range_are_refused(amount):
    with pytest.raises(DataError, match="`val_from_train`"):
        hold_out(TARGETS, CLASSES, amount)


def test_class_without_training_images_is_named():
    with pytest.raises(DataError, match="no training image in 1 classes: c"):
        hold_out(np.repeat([0, 1, 2], [50, 50, 1]), CLASSES, 51)


def test_limit_takes_at_most_so_many_of_each_class():
    few = limit_per_class(TARGETS, CLASSES, 20)
    assert np.bincount(TARGETS[few]).tolist() == [20, 20, 10]
    assert set(few) < set(limit_per_class(TARGETS, CLASSES, 21))
    with pytest.raises(DataError, match="`images_per_class` is 0"):
        limit_per_class(TARGETS, CLASSES, 0)
