import numpy as np
import pytest
import torch

from datamodules.cityscapes.class_uniform import BOOST_CLASSES, NO_CENTROID, ClassUniform
from datamodules.cityscapes.labels import CLASS_NAMES

FINE, COARSE = 190, 40


def rows(random, numbers, per_class=2):
    table = [(n, *random.integers(0, 90, 2)) for n in numbers for _ in range(per_class)]
    return np.array(table, dtype=np.int32).reshape(-1, 3)


def centroid_lists(absent=()):
    """In every second fine scene classes 0 to 9, in the others all; coarse scenes have classes 10 to 18."""
    random = np.random.default_rng(1)
    fine = [rows(random, [n for n in range(19 if i % 2 else 10) if n not in absent]) for i in range(FINE)]
    return fine, [rows(random, range(10, 19)) for _ in range(COARSE)]


def classes_of(plan, fine, coarse=()):
    """Which classes have their centroid at each entry of a plan, looked up in the lists; None for whole images."""
    tables = [{(row[1], row[2]): row[0] for row in table.tolist()} for table in (*fine, *coarse)]
    return [
        None if tuple(pixel) == (NO_CENTROID, NO_CENTROID) else tables[scene][tuple(pixel)]
        for scene, pixel in zip(plan.scenes.tolist(), plan.centroids.tolist(), strict=True)
    ]


@pytest.mark.parametrize("absent", [(), (3, 7)])
def test_half_of_an_epoch_is_drawn_by_class_and_an_absent_class_leaves_its_share_to_whole_images(absent):
    fine, coarse = centroid_lists(absent)
    plan = ClassUniform(fine, coarse, 0.5, 150).plan(0, 0)
    assert (plan.scenes.shape, plan.centroids.shape) == ((FINE,), (FINE, 2))
    drawn = classes_of(plan, fine, coarse)
    # 0.5 * 190 / 19 = 5 of each class.
    assert [drawn.count(number) for number in range(19)] == [0 if number in absent else 5 for number in range(19)]
    whole = [scene for scene, number in zip(plan.scenes.tolist(), drawn, strict=True) if number is None]
    assert len(whole) == len(set(whole)) == FINE - 5 * (19 - len(absent))
    assert max(whole) < FINE


def test_full_data_set_draws_78_or_79_of_each_class():
    # 0.5 * 2975 / 19 = 78.3.
    tables = [np.array([(n, scene, n) for n in range(19)], dtype=np.int32) for scene in range(2975)]
    extra = []
    for epoch in (0, 1):
        plan = ClassUniform(tables, [], 0.5).plan(0, epoch)
        by_class = plan.centroids[plan.centroids[:, 0] != NO_CENTROID]
        counts = np.bincount(by_class[:, 1], minlength=19)
        assert (len(plan.scenes), counts.sum(), set(counts.tolist())) == (2975, 1487, {78, 79})
        # Without wrap-around, each centroid at most once.
        assert len(set(map(tuple, by_class.tolist()))) == 1487
        extra.append(tuple(np.flatnonzero(counts == 79)))
    assert extra[0] != extra[1]


@pytest.mark.parametrize(("scenes", "share", "drawn"), [(18, 0.5, 9), (7, 0.0, 0)])
def test_small_data_are_drawn_by_class_too_and_a_share_of_zero_is_each_image_once(scenes, share, drawn):
    one = np.array([(n, 1, 1) for n in range(19)], dtype=np.int32)
    plan = ClassUniform([one] * scenes, [], share).plan(0, 0)
    free = plan.centroids[:, 0] == NO_CENTROID
    assert (len(free), (~free).sum()) == (scenes, drawn)
    assert len(set(plan.scenes[free].tolist())) == scenes - drawn


@pytest.mark.parametrize(("epoch", "joins"), [(0, True), (2, True), (3, False), (9, False)])
def test_coarse_scenes_join_for_their_classes_and_epochs_only(epoch, joins):
    fine, coarse = centroid_lists()
    sampling = ClassUniform(fine, coarse, 1.0, coarse_until_epoch=3)
    seen = set()
    for seed in range(8):
        plan = sampling.plan(seed, epoch)
        numbers = classes_of(plan, fine, coarse)
        seen |= {n for n, scene in zip(numbers, plan.scenes.tolist(), strict=True) if scene >= FINE}
    # Classes below 10 have no coarse centroid here.
    assert seen == ({n for n in BOOST_CLASSES if n >= 10} if joins else set())
    expected = {"wall", "fence", "rider", "truck", "bus", "train", "motorcycle"}
    assert {CLASS_NAMES[number] for number in BOOST_CLASSES} == expected


def test_plan_is_a_function_of_seed_and_epoch_alone_and_each_is_another():
    fine, coarse = centroid_lists()
    states = torch.get_rng_state(), np.random.get_state()[1].tolist()
    keys = [(seed, epoch) for seed in (0, 1) for epoch in (0, 1)]
    plans = {key: ClassUniform(fine, coarse).plan(*key) for key in keys}
    assert (np.random.get_state()[1].tolist(), states[0].tolist()) == (states[1], torch.get_rng_state().tolist())
    np.random.seed(5)
    other = ClassUniform(fine, coarse)
    for key in reversed(keys):
        assert all(np.array_equal(a, b) for a, b in zip(other.plan(*key), plans[key], strict=True))
    # Other whole images, and other centroids: not the same ones in another order.
    whole, drawn = ([], [])
    for plan in plans.values():
        free = plan.centroids[:, 0] == NO_CENTROID
        whole.append(frozenset(plan.scenes[free].tolist()))
        drawn.append(frozenset(map(tuple, plan.centroids[~free].tolist())))
    assert len(set(whole)) == len(set(drawn)) == 4


def test_few_centroids_are_taken_in_turn():
    fine, _ = centroid_lists()
    for table in fine[1:]:
        table[table[:, 0] == 4, 0] = 5
    plan = ClassUniform(fine, [], 0.5).plan(0, 0)
    drawn = zip(plan.centroids.tolist(), classes_of(plan, fine), strict=True)
    chosen = [tuple(pixel) for pixel, number in drawn if number == 4]
    # Five draws from two: each two or three times.
    assert sorted(chosen.count(pixel) for pixel in set(chosen)) == [2, 3]
