import numpy as np
import pytest
import torch

from datamodules.cityscapes.class_uniform import BOOST_CLASSES, NO_CENTROID, ClassUniform
from datamodules.cityscapes.labels import CLASS_NAMES

FINE, COARSE = 190, 40


def rows(random, numbers, per_class=2):
    return np.array([(n, *random.integers(0, 90, 2)) for n in numbers for _ in range(per_class)], dtype=np.int32)


def centroid_lists(absent=()):
    """In every second fine scene classes 0 to 9, in the others all; coarse scenes have classes 10 to 18."""
    random = np.random.default_rng(1)
    fine = [
        rows(random, [n for n in range(19 if i % 2 else 10) if n not in absent]).reshape(-1, 3) for i in range(FINE)
    ]
    return fine, [rows(random, range(10, 19)) for _ in range(COARSE)]


def classes_of(plan, fine, coarse):
    """Which classes have their centroid at each entry of a plan, looked up in the lists."""
    tables = [{(row[1], row[2]): row[0] for row in table.tolist()} for table in fine + coarse]
    return [
        None if tuple(pixel) == (NO_CENTROID, NO_CENTROID) else tables[scene][tuple(pixel)]
        for scene, pixel in zip(plan.scenes.tolist(), plan.centroids.tolist(), strict=True)
    ]


def test_half_of_an_epoch_is_drawn_by_class():
    fine, coarse = centroid_lists()
    plan = ClassUniform(fine, coarse, 0.5, 150).plan(0, 0)
    assert (plan.scenes.shape, plan.centroids.shape) == ((FINE,), (FINE, 2))
    drawn = classes_of(plan, fine, coarse)
    # 0.5 * 190 / 19 = 5 of each class.
    assert [drawn.count(number) for number in range(19)] == [5] * 19
    whole = [scene for scene, number in zip(plan.scenes.tolist(), drawn, strict=True) if number is None]
    assert len(whole) == len(set(whole)) == FINE - 95
    assert max(whole) < FINE


def test_full_data_set_draws_78_or_79_of_each_class():
    # 0.5 * 2975 / 19 = 78.3.
    tables = [np.array([(n, scene, n) for n in range(19)], dtype=np.int32) for scene in range(2975)]
    sampling = ClassUniform(tables, [], 0.5)
    extra = []
    for epoch in (0, 1):
        plan = sampling.plan(0, epoch)
        assert len(plan.scenes) == 2975
        by_class = plan.centroids[plan.centroids[:, 0] != NO_CENTROID]
        counts = np.bincount(by_class[:, 1], minlength=19)
        assert counts.sum() == 1487
        assert set(counts.tolist()) == {78, 79}
        # Without wrap-around, each centroid at most once.
        assert len(set(map(tuple, by_class.tolist()))) == 1487
        extra.append(tuple(np.flatnonzero(counts == 79)))
    assert extra[0] != extra[1]


def test_small_data_are_drawn_by_class_too():
    one = np.array([(n, 1, 1) for n in range(19)], dtype=np.int32)
    plan = ClassUniform([one] * 18, [], 0.5).plan(0, 0)
    assert (plan.centroids[:, 0] != NO_CENTROID).sum() == 9


@pytest.mark.parametrize(("epoch", "joins"), [(0, True), (2, True), (3, False), (9, False)])
def test_coarse_scenes_join_for_their_classes_and_epochs_only(epoch, joins):
    fine, coarse = centroid_lists()
    sampling = ClassUniform(fine, coarse, 1.0, coarse_until_epoch=3)
    seen = set()
    for seed in range(8):
        plan = sampling.plan(seed, epoch)
        numbers = classes_of(plan, fine, coarse)
        seen |= {n for n, scene in zip(numbers, plan.scenes.tolist(), strict=True) if scene >= FINE}
        assert plan.scenes.max() < FINE + COARSE
    # Classes below 10 have no coarse centroid here.
    assert seen == ({n for n in BOOST_CLASSES if n >= 10} if joins else set())


def test_boost_classes_are_wall_fence_rider_and_large_vehicles():
    expected = {"wall", "fence", "rider", "truck", "bus", "train", "motorcycle"}
    assert {CLASS_NAMES[number] for number in BOOST_CLASSES} == expected


def test_plan_is_a_function_of_seed_and_epoch_alone():
    fine, coarse = centroid_lists()
    one, other = ClassUniform(fine, coarse), ClassUniform(fine, coarse)
    np.random.seed(0)
    torch.manual_seed(0)
    state = torch.get_rng_state()
    expected = {(seed, epoch): one.plan(seed, epoch) for seed in (0, 1) for epoch in (0, 1)}
    assert np.random.get_state()[1][0] == np.random.RandomState(0).get_state()[1][0]
    assert torch.equal(torch.get_rng_state(), state)
    np.random.seed(5)
    for key in reversed(expected):
        plan = other.plan(*key)
        assert np.array_equal(plan.scenes, expected[key].scenes)
        assert np.array_equal(plan.centroids, expected[key].centroids)
    assert len({plan.scenes.tobytes() for plan in expected.values()}) == 4


def test_each_epoch_draws_other_images_and_other_centroids():
    fine, _ = centroid_lists()
    sampling = ClassUniform(fine, [], 0.5)
    plans = [sampling.plan(0, epoch) for epoch in range(3)]
    for number in range(2):
        one, other = plans[number], plans[number + 1]
        free = one.centroids[:, 0] == NO_CENTROID
        assert one.scenes[free].tolist() != other.scenes[free].tolist()
        assert set(one.scenes[free].tolist()) != set(other.scenes[free].tolist())
        assert one.centroids[~free].tolist() != other.centroids[~free].tolist()


def test_few_centroids_are_taken_in_turn():
    fine, _ = centroid_lists()
    for table in fine[1:]:
        table[table[:, 0] == 4, 0] = 5
    plan = ClassUniform(fine, [], 0.5).plan(0, 0)
    chosen = [
        tuple(pixel)
        for scene, pixel in zip(plan.scenes.tolist(), plan.centroids.tolist(), strict=True)
        if scene == 0 and tuple(pixel) in {(r[1], r[2]) for r in fine[0].tolist() if r[0] == 4}
    ]
    # Five draws from two: each two or three times.
    assert sorted(chosen.count(pixel) for pixel in set(chosen)) == [2, 3]


def test_absent_class_leaves_its_share_to_whole_images():
    fine, _ = centroid_lists(absent=(3, 7))
    plan = ClassUniform(fine, [], 0.5).plan(0, 0)
    drawn = classes_of(plan, fine, [])
    assert (drawn.count(3), drawn.count(7), drawn.count(8), drawn.count(None)) == (0, 0, 5, FINE - 85)
    assert len(plan.scenes) == FINE


def test_share_of_zero_is_each_image_once():
    plan = ClassUniform([np.empty((0, 3), dtype=np.int32)] * 7, [], 0.0).plan(0, 0)
    assert sorted(plan.scenes.tolist()) == list(range(7))
    assert (plan.centroids == NO_CENTROID).all()
