"""Where tiles lie: floats and fractions against the rule in integers."""

import random
from fractions import Fraction

import pytest

from evaluation import Box, EvaluationError, tile_boxes, tile_starts
from evaluation.tiles import coverage


def integer_starts(length, size, repeated, of):
    """The rule in integers, for an overlap of repeated/of: stride and count round up, the last tile is moved back."""
    if size >= length:
        return [0]
    stride = -(-size * (of - repeated) // of)
    count = -(-(length - size) // stride) + 1
    return [*(stride * number for number in range(count - 1)), length - size]


@pytest.mark.parametrize(
    ("repeated", "of"), [(0, 1), (1, 2), (1, 3), (2, 3), (1, 10), (3, 10), (1, 7), (5, 6), (1, 49), (3333, 10000)]
)
def test_float_overlaps_give_the_stride_of_the_exact_fraction(repeated, of):
    """768 * (1 - 1/3) is 512.0000000000001 in floats, and its ceiling 513."""
    for size in (*range(1, 200), 768, 1023, 1024, 1026, 49 * 21):
        for length in (700, 5000):
            expected = integer_starts(length, size, repeated, of)
            assert tile_starts(length, size, repeated / of) == expected, size
            assert tile_starts(length, size, Fraction(repeated, of)) == expected, size


def test_every_pixel_is_covered_by_tiles_of_one_size():
    chance = random.Random(0)
    for _ in range(300):
        height, width, size = chance.randint(1, 90), chance.randint(1, 90), chance.randint(1, 100)
        boxes = tile_boxes(height, width, size, chance.choice([0, 0.1, 1 / 3, 0.5, 0.9, 0.999]))
        assert coverage(height, width, boxes).min() >= 1
        assert {(box.height, box.width) for box in boxes} == {(min(size, height), min(size, width))}
        assert len(set(boxes)) == len(boxes)


def test_overlap_close_to_one_still_moves_on():
    assert tile_starts(5, 3, 1 - 1e-15) == [0, 1, 2]


@pytest.mark.parametrize("box", [Box(0, 0, 3, 4), Box(0, -1, 2, 4), Box(1, 0, 1, 4)])
def test_a_box_outside_the_image_is_named(box):
    with pytest.raises(EvaluationError, match=f"right={box.right}.*2x4"):
        coverage(2, 4, [box])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, 0, 0), "tile size is 0"),
        ((10, -4, 0), "tile size is -4"),
        ((10, 4, -0.1), "overlap is -0.1"),
        ((10, 4, 1), "overlap is 1"),
        ((10, 4, float("nan")), "overlap is nan"),
        ((10, 12, 1.5), "overlap is 1.5"),
        ((0, 4, 0), "image side of 0"),
    ],
)
def test_errors(arguments, message):
    with pytest.raises(EvaluationError, match=message):
        tile_starts(*arguments)
