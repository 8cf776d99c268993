"""Confusion matrices against Cityscapes' own evaluator and against counting pixel by pixel."""

import math
import re

import numpy as np
import pytest
import torch
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as evaluator  # noqa: N813
from cityscapesscripts.helpers.labels import trainId2label
from PIL import Image

from evaluation import EvaluationError, class_iou, confusion_matrix, mean_iou

LABEL_IDS = (7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33)
"""Cityscapes' label ids of classes 0 to 18."""

VOID_IDS = (0, 1, 4, 9, 10, 14, 18, 29, 30)
"""Label ids without a class."""


def random_maps(seed, target_classes, predicted_classes, shape=(31, 45)):
    """A target with runs of ignored pixels and a prediction that is right about half of the time."""
    chance = np.random.default_rng(seed)
    target = chance.choice(target_classes, shape)
    guess = chance.choice(predicted_classes, shape)
    prediction = np.where((chance.random(shape) < 0.5) & np.isin(target, predicted_classes), target, guess)
    return prediction, np.where(chance.random(shape) < 0.2, 255, target)


def official_scores(folder, pairs):
    """mIoU and each class's IoU by cityscapesScripts, from label-id images of the same maps."""
    evaluator.args.evalInstLevelScore = False
    evaluator.args.quiet = True
    evaluator.args.JSONOutput = False
    to_id = np.zeros(256, np.uint8)
    to_id[: len(LABEL_IDS)] = LABEL_IDS
    chance = np.random.default_rng(0)
    predictions, targets = [], []
    for number, (prediction, target) in enumerate(pairs):
        void = chance.choice(VOID_IDS, target.shape).astype(np.uint8)
        for name, values, paths in (
            ("prediction", to_id[prediction], predictions),
            ("target", np.where(target == 255, void, to_id[target]), targets),
        ):
            paths.append(str(folder / f"{name}{number}.png"))
            Image.fromarray(values).save(paths[-1])
    scores = evaluator.evaluateImgLists(predictions, targets, evaluator.args)
    return scores["averageScoreClasses"], [scores["classScores"][trainId2label[index].name] for index in range(19)]


def our_confusion(pairs):
    return sum(confusion_matrix(torch.tensor(p), torch.tensor(t), 19) for p, t in pairs)[0]


EVERY = np.arange(19)
CASES = {
    "every class": [random_maps(0, EVERY, EVERY)],
    "several images": [random_maps(seed, EVERY, EVERY) for seed in range(3)],
    "classes absent from both": [random_maps(1, EVERY[:11], EVERY[:11])],
    "predicted but absent from the target": [random_maps(2, EVERY[:9], EVERY[:14])],
    "in the target but never predicted": [random_maps(3, EVERY, EVERY[5:16])],
    "one class": [random_maps(4, EVERY[13:14], EVERY[13:14])],
    "nothing right": [random_maps(5, EVERY[:4], EVERY[8:12])],
    "predicted on ignored pixels alone": [(np.array([[0, 1, 1, 2]]), np.array([[0, 0, 1, 255]]))],
    "no pixels": [(np.zeros((3, 3), int), np.full((3, 3), 255))],
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_evaluator_of_cityscapes(case, tmp_path):
    """The two definitions are one as long as a prediction is one of the 19 classes, which ours requires."""
    pairs = CASES[case]
    mean, classes = official_scores(tmp_path, pairs)
    confusion = our_confusion(pairs)
    assert mean_iou(confusion) == pytest.approx(mean, abs=1e-12, nan_ok=True)
    torch.testing.assert_close(
        class_iou(confusion), torch.tensor(classes, dtype=torch.float64), rtol=0, atol=1e-12, equal_nan=True
    )


def test_predicted_but_absent_counts_zero_and_absent_from_both_counts_nowhere():
    confusion = torch.tensor([[6, 0, 2, 0], [1, 3, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    torch.testing.assert_close(
        class_iou(confusion), torch.tensor([6 / 9, 3 / 4, 0.0, math.nan]).double(), equal_nan=True
    )
    assert mean_iou(confusion) == pytest.approx((6 / 9 + 3 / 4 + 0) / 3, abs=1e-15)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_counts_of_groups_pixel_by_pixel(dtype):
    prediction, target = random_maps(7, np.arange(4), np.arange(4), (2, 9, 13))
    groups = np.random.default_rng(8).integers(0, 3, (9, 13))
    expected = np.zeros((3, 4, 4), np.int64)
    for place in np.ndindex(2, 9, 13):
        if target[place] != 255:
            expected[groups[place[1:]], target[place], prediction[place]] += 1
    tensors = [torch.tensor(values).to(dtype) for values in (prediction, target)]
    # One image's groups serve the whole batch.
    found = confusion_matrix(*tensors, 4, groups=torch.tensor(groups).to(torch.uint8), num_groups=3)
    assert found.dtype == torch.int64
    assert torch.equal(found, torch.tensor(expected))
    assert torch.equal(confusion_matrix(*tensors, 4)[0], found.sum(0))


def test_more_places_than_uint8_can_number():
    """14 groups of 19 classes are 266 rows; target, groups and prediction are all uint8."""
    everywhere = torch.cartesian_prod(torch.arange(14), torch.arange(19), torch.arange(19)).to(torch.uint8)
    groups, target, prediction = everywhere.unbind(1)
    found = confusion_matrix(prediction, target, 19, groups=groups, num_groups=14)
    assert torch.equal(found, torch.ones(14, 19, 19, dtype=torch.int64))


def test_another_ignore_index():
    target = torch.tensor([0, 1, -1, 1])
    assert confusion_matrix(torch.tensor([0, 1, 1, 0]), target, 2, ignore_index=-1).tolist() == [[[1, 0], [1, 1]]]


def test_large_counts_keep_every_pixel():
    """500 Cityscapes images have 1e9 pixels, beyond float32's 24 bits and near int32's end."""
    confusion = torch.tensor([[2**40 + 1, 1], [0, 2**40]])
    union = 2**40 + 2
    assert class_iou(confusion)[0].item() == (2**40 + 1) / union


def maps(prediction=(0, 1), target=(0, 1)):
    return torch.tensor(prediction), torch.tensor(target)


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (maps(prediction=(0, 3)), {}, "prediction is 3; it must be 0 to 2"),
        (maps(prediction=(-1, 1)), {}, "prediction is -1"),
        (maps(prediction=(0, 255), target=(0, 255)), {}, "prediction is 255"),
        (maps(target=(0, 3)), {}, "target is 3; it must be 0 to 2, or 255 to ignore"),
        (maps(target=(-1, 1)), {}, "target is -1"),
        (maps(target=(0, 1, 1)), {}, r"shape \(2,\), the target \(3,\)"),
        (maps(prediction=(0.0, 1.0)), {}, "prediction must hold integers, got torch.float32"),
        (maps(target=(0.0, 1.0)), {}, "target must hold integers"),
        (maps(), {"groups": torch.tensor([0, 2]), "num_groups": 2}, "group is 2; it must be 0 to 1"),
        (maps(), {"groups": torch.tensor([0, 1])}, "group is 1; it must be 0 to 0"),
        (maps(), {"groups": torch.tensor([0, 1, 0]), "num_groups": 2}, r"shape \(3,\) do not fit"),
    ],
)
def test_maps_that_do_not_fit_are_refused(arguments, settings, message):
    with pytest.raises(EvaluationError, match=message):
        confusion_matrix(*arguments, 3, **settings)


def test_a_score_over_unsummed_groups_is_refused():
    for shape in ((2, 3, 3), (2, 3)):
        with pytest.raises(EvaluationError, match=rf"{re.escape(str(shape))}; take one group"):
            mean_iou(torch.ones(shape))


def test_one_class_and_pixels_without_it():
    assert confusion_matrix(*maps(prediction=(0, 0), target=(0, 255)), 1).tolist() == [[[1]]]
