import pytest

from datamodules.loading import keyed
from datamodules.loading.samplers import TrainSampler


def test_epoch_is_a_permutation_without_the_incomplete_batch():
    keys = list(TrainSampler(50, 12))
    assert len(keys) == len(set(keys)) == 48
    assert {epoch for epoch, _ in keys} == {0}
    assert all(0 <= index < 50 for _, index in keys)


def test_order_depends_on_seed_and_epoch():
    sampler, other = TrainSampler(64, 8, seed=0), TrainSampler(64, 8, seed=1)
    first = list(sampler)
    assert first == list(sampler)
    assert [i for _, i in first] != [i for _, i in other]
    sampler.set_epoch(1)
    second = list(sampler)
    assert {epoch for epoch, _ in second} == {1}
    assert [i for _, i in first] != [i for _, i in second]


@pytest.mark.parametrize("world", [1, 2])
def test_start_skips_in_its_own_epoch_only(world):
    for rank in range(world):
        whole, resumed = TrainSampler(50, 12, rank, world), TrainSampler(50, 12, rank, world, start=(2, 3))
        assert len(resumed) == len(whole)
        assert next(iter(resumed))[0] == 2, "it begins in its epoch, before set_epoch"
        for epoch in (2, 3, 0):
            whole.set_epoch(epoch)
            resumed.set_epoch(epoch)
            skipped = 3 * 12 // world if epoch == 2 else 0
            assert list(resumed) == list(whole)[skipped:]


def test_permutation_is_pinned():
    # Values of the first version: another NumPy must not reorder a run that is resumed under it.
    assert keyed.permutation(8, 1, "order", 2).tolist() == [6, 3, 4, 2, 5, 0, 7, 1]
    assert keyed.generator(1, "augment", 2, 3).random(2).tolist() == [0.7785763847018063, 0.6393776999530442]


def test_keys_are_told_apart():
    keys = [(1, 23), (12, 3), ("1", 23), (1, "23"), (1, 2, 3), (-1, 23)]
    assert len({keyed.generator(*key).random() for key in keys}) == len(keys)
