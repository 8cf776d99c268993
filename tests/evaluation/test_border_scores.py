"""Table 7 and the distance curve from one grouped pass, against one pass a column as the paper describes it."""

import itertools
import math

import pytest
import torch

from evaluation import (
    EvaluationError,
    centre_box,
    confusion_matrix,
    distance_groups,
    distance_miou,
    distance_to_border,
    leave_out_bands,
    leave_out_miou,
    mean_iou,
    tile_boxes,
)

CLASSES, HEIGHT, WIDTH = 4, 32, 64
PROPORTIONS = (0, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 7 / 8)
EDGES = (1, 3, 6, 11)


@pytest.fixture
def maps():
    """Prediction and target; the prediction is worse at the border, and class 3 lies in the centre alone."""
    chance = torch.Generator().manual_seed(0)
    target = torch.randint(0, 3, (HEIGHT, WIDTH), generator=chance)
    target[14:18, 30:34] = 3
    wrong = torch.rand(HEIGHT, WIDTH, generator=chance) < 0.5 / (1 + distance_to_border(HEIGHT, WIDTH))
    prediction = torch.where(wrong, (target + 1) % 3, target)
    target[torch.rand(HEIGHT, WIDTH, generator=chance) < 0.1] = 255
    return prediction, target


@pytest.mark.parametrize("tiles", [None, tile_boxes(HEIGHT, WIDTH, 32, 0)], ids=["image", "tile"])
def test_each_column_is_the_score_with_the_centre_set_to_dont_care(maps, tiles):
    prediction, target = maps
    bands = leave_out_bands(HEIGHT, WIDTH, PROPORTIONS, tiles)
    grouped = confusion_matrix(prediction, target, CLASSES, groups=bands, num_groups=len(PROPORTIONS) + 1)
    for proportion, miou in zip(PROPORTIONS, leave_out_miou(grouped), strict=True):
        masked = target.clone()
        for top, left, bottom, right in tiles or [(0, 0, HEIGHT, WIDTH)]:
            box = centre_box(bottom - top, right - left, proportion)
            masked[top + box.top : top + box.bottom, left + box.left : left + box.right] = 255
        assert miou == mean_iou(confusion_matrix(prediction, masked, CLASSES)[0]), proportion
    assert len(set(leave_out_miou(grouped))) == len(PROPORTIONS)


@pytest.mark.parametrize("tiles", [None, tile_boxes(HEIGHT, WIDTH, 32, 1 / 3)], ids=["image", "tile"])
def test_the_curve_scores_each_distance_by_itself(maps, tiles):
    prediction, target = maps
    distance = distance_to_border(HEIGHT, WIDTH, tiles)
    groups = distance_groups(distance, EDGES)
    grouped = confusion_matrix(prediction, target, CLASSES, groups=groups, num_groups=len(EDGES) + 1)
    curve = distance_miou(grouped, EDGES)
    for (name, miou), (start, stop) in zip(curve.items(), itertools.pairwise((0, *EDGES, math.inf)), strict=True):
        there = (distance >= start) & (distance < stop) & (target != 255)
        assert name == (f"{start}+" if stop == math.inf else f"{start}-{stop - 1}")
        assert miou == mean_iou(confusion_matrix(prediction[there], target[there], CLASSES)[0])
    assert torch.equal(grouped.sum(0), confusion_matrix(prediction, target, CLASSES)[0])


def test_a_bin_without_pixels_has_no_score(maps):
    groups = distance_groups(distance_to_border(HEIGHT, WIDTH), (4, 1000))
    curve = distance_miou(confusion_matrix(*maps, CLASSES, groups=groups, num_groups=3), (4, 1000))
    assert math.isnan(curve["1000+"])


def test_another_number_of_groups_is_refused():
    with pytest.raises(EvaluationError, match=r"\(3, C, C\), got \(4, 2, 2\)"):
        distance_miou(torch.zeros(4, 2, 2), (1, 2))
    with pytest.raises(EvaluationError, match=r"\(2 or more, C, C\), got \(1, 2, 2\)"):
        leave_out_miou(torch.zeros(1, 2, 2))
    with pytest.raises(EvaluationError, match="must rise from 1"):
        distance_miou(torch.zeros(3, 2, 2), (2, 1))
