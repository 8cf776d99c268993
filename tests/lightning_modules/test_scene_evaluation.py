"""Every table from one pass: grouped confusions against brute force, and as the module counts them."""

from fractions import Fraction

import pytest
import torch

from lightning_modules import ModelError
from lightning_modules.scene_evaluation import REGULAR, EvaluationSettings, SceneEvaluation

CLASSES = 3


def brute_force(predictions, target, keep):
    """Confusion of the pixels for which `keep(y, x)` holds, pixel by pixel."""
    counts = torch.zeros(CLASSES, CLASSES, dtype=torch.int64)
    for y in range(target.shape[0]):
        for x in range(target.shape[1]):
            if target[y, x] != 255 and keep(y, x):
                counts[target[y, x], predictions[y, x]] += 1
    return counts


def counted(settings, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(0, CLASSES, size, generator=generator)
    target[torch.rand(size, generator=generator) < 0.2] = 255
    evaluation = SceneEvaluation(settings, CLASSES)
    predictions = {
        mode: torch.randint(0, CLASSES, size, generator=generator) for mode in (REGULAR, *evaluation.tilings)
    }
    for mode, prediction in predictions.items():
        evaluation.count(mode, prediction, target)
    return evaluation, predictions, target


def half_up(value: Fraction) -> int:
    return int(value + Fraction(1, 2))


@pytest.mark.parametrize("scope", ["image", "tile"])
def test_bands_and_distances_against_brute_force(scope):
    settings = EvaluationSettings(
        tile_size=8, overlaps=[0, "1/2"], leave_out=["1/2", 0], border_scope=scope, distance_edges=[1, 3]
    )
    evaluation, predictions, target = counted(settings, (8, 16))
    found = evaluation.compute().confusion
    assert found.keys() == {"regular", "tiled_0", "tiled_1-2"}
    starts = {"regular": [(0, 16)], "tiled_0": [(0, 8), (8, 16)], "tiled_1-2": [(0, 8), (4, 12), (8, 16)]}

    for mode, prediction in predictions.items():

        def depth(y, x, mode=mode):
            inside = [min(y, 7 - y, x - left, right - 1 - x) for left, right in starts[mode] if left <= x < right]
            return max(inside)

        def in_centre(y, x, mode=mode):
            width, left = (8, x // 8 * 8) if scope == "tile" and mode == "tiled_0" else (16, 0)
            margin = half_up(Fraction(width, 4))
            return 2 <= y < 6 and margin <= x - left < width - margin

        grouped = found[mode]
        assert grouped.shape == (3, 3, CLASSES, CLASSES)
        assert torch.equal(grouped.sum((0, 1)), brute_force(prediction, target, lambda y, x: True))
        # The box of proportion 0 is empty, so band 0 is what lies outside the box of 1/2, and band 2 is empty.
        assert not grouped[2].any()
        assert torch.equal(grouped[0].sum(0), brute_force(prediction, target, lambda y, x: not in_centre(y, x)))
        for number, (low, high) in enumerate([(0, 1), (1, 3), (3, 99)]):
            wanted = brute_force(prediction, target, lambda y, x, a=low, b=high: a <= depth(y, x) < b)
            assert torch.equal(grouped[:, number].sum(0), wanted)


def test_two_images_of_different_sizes_add_up():
    settings = EvaluationSettings(overlaps=[0])
    one, _, _ = counted(settings, (8, 16), 1)
    other, _, _ = counted(settings, (12, 10), 2)
    both = SceneEvaluation(settings, CLASSES)
    for seed, size in ((1, (8, 16)), (2, (12, 10))):
        _, predictions, target = counted(settings, size, seed)
        for mode, prediction in predictions.items():
            both.count(mode, prediction, target)
    for mode, counts in both.compute().confusion.items():
        assert torch.equal(counts, one.compute().confusion[mode] + other.compute().confusion[mode])


def test_without_a_tile_size_tiles_are_as_high_as_the_image():
    evaluation = SceneEvaluation(EvaluationSettings(), CLASSES)
    assert list(evaluation.tilings) == ["tiled_0", "tiled_1-3"]
    assert evaluation.tiling("tiled_1-3", 1024, 2048) == {"size": 1024, "overlap": Fraction(1, 3), "average": "logits"}
    assert evaluation.leave_out == [Fraction(0), *map(Fraction, ("1/3", "1/2", "2/3", "3/4", "7/8"))]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overlaps": [1.0]}, "overlaps"),
        ({"overlaps": ["third"]}, "third"),
        ({"overlaps": [0, 0.0]}, "twice"),
        ({"leave_out": ["1/0"]}, "1/0"),
        ({"leave_out": [-0.1]}, "leave_out"),
        ({"tile_size": 0}, "tile_size"),
        ({"distance_edges": [0, 4]}, "distance_edges"),
        ({"distance_edges": [4, 4]}, "distance_edges"),
        ({"distance_edges": list(range(1, 300))}, "distance_edges"),
        ({"predict_overlap": 2}, "predict_overlap"),
        ({"leave_out": []}, "leave_out"),
        ({"border_scope": "tile", "overlaps": ["1/3"]}, "border_scope"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ModelError, match=message):
        EvaluationSettings(**settings)
