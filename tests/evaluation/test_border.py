"""Leave-out boxes and distances against brute force over pixels."""

from fractions import Fraction

import pytest
import torch

from evaluation import (
    Box,
    EvaluationError,
    centre_box,
    distance_groups,
    distance_to_border,
    leave_out_bands,
    tile_boxes,
)

TABLE_7 = (0, 1 / 3, 1 / 2, 2 / 3, 3 / 4, 7 / 8)
EXACT = (Fraction(0), Fraction(1, 3), Fraction(1, 2), Fraction(2, 3), Fraction(3, 4), Fraction(7, 8))
SIZES = [(1, 1), (5, 5), (7, 9), (8, 16), (24, 25), (48, 96)]


def outer(length, proportion):
    """Pixels before the centre along an axis, in integers: a half rounds up."""
    numerator, denominator = proportion.as_integer_ratio()
    return (length * (denominator - numerator) + denominator) // (2 * denominator)


def left_out(height, width, proportion):
    """Pixel by pixel, whether the centre holds it."""
    return torch.tensor(
        [
            [
                outer(height, proportion) <= row < height - outer(height, proportion)
                and outer(width, proportion) <= column < width - outer(width, proportion)
                for column in range(width)
            ]
            for row in range(height)
        ]
    )


def test_a_float_proportion_is_its_fraction():
    """10 rows at 0.9 have 0.5 before the centre, which rounds up; in floats 1 - 0.9 is a hair too little."""
    tenths = [Fraction(number, 10) for number in range(10)]
    for length in range(1, 400):
        for exact in (*EXACT, *tenths):
            assert centre_box(length, length, float(exact)).top == outer(length, exact), (length, exact)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_bands_count_the_boxes_that_hold_a_pixel(height, width):
    bands = leave_out_bands(height, width, TABLE_7)
    expected = sum(left_out(height, width, proportion).int() for proportion in EXACT)
    assert bands.dtype == torch.uint8
    assert torch.equal(bands.int(), expected)


def test_bands_in_tiles_are_the_bands_of_one_tile_repeated():
    tiles = tile_boxes(24, 48, 24, 0)
    assert torch.equal(leave_out_bands(24, 48, TABLE_7, tiles), leave_out_bands(24, 24, TABLE_7).repeat(1, 2))
    assert not torch.equal(leave_out_bands(24, 48, TABLE_7, tiles), leave_out_bands(24, 48, TABLE_7))


@pytest.mark.parametrize("tiles", [tile_boxes(24, 50, 24, 0), tile_boxes(24, 48, 24, 1 / 3), [Box(0, 0, 24, 24)]])
def test_a_leave_out_in_tiles_that_overlap_or_leave_gaps_is_refused(tiles):
    with pytest.raises(EvaluationError, match=r"\(0, 0, 24, 24\).*once"):
        leave_out_bands(24, max(48, tiles[-1].right), TABLE_7, tiles)


@pytest.mark.parametrize("proportions", [(0.5, 0.3), (0.3, 0.3), tuple(range(300))])
def test_proportions_must_rise(proportions):
    with pytest.raises(EvaluationError, match="must rise"):
        leave_out_bands(8, 8, proportions)


@pytest.mark.parametrize("proportion", [-0.1, 1, 1.5, float("nan")])
def test_a_proportion_out_of_range_is_refused(proportion):
    with pytest.raises(EvaluationError, match=f"proportion is {proportion}"):
        centre_box(8, 8, proportion)


def brute_distance(height, width, tiles):
    """For each pixel and tile, the least number of steps up, down, left or right that still stay inside."""
    distance = torch.full((height, width), -1, dtype=torch.int32)
    for row in range(height):
        for column in range(width):
            for top, left, bottom, right in tiles:
                if top <= row < bottom and left <= column < right:
                    depth = min(row - top, bottom - 1 - row, column - left, right - 1 - column)
                    distance[row, column] = max(int(distance[row, column]), depth)
    return distance


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_distance_to_the_image_border(height, width):
    distance = distance_to_border(height, width)
    assert distance.dtype == torch.int32
    assert torch.equal(distance, brute_distance(height, width, [(0, 0, height, width)]))


@pytest.mark.parametrize(("size", "overlap"), [(12, 0), (12, 1 / 3), (10, 0.5), (100, 0), (7, 0.9)])
def test_distance_to_the_border_of_the_tile_where_a_pixel_lies_deepest(size, overlap):
    tiles = tile_boxes(20, 31, size, overlap)
    expected = brute_distance(20, 31, tiles)
    assert torch.equal(distance_to_border(20, 31, tiles), expected)
    # The order of the tiles does not matter.
    assert torch.equal(distance_to_border(20, 31, tiles[::-1]), expected)


def test_distance_needs_tiles_without_gaps():
    with pytest.raises(EvaluationError, match="gaps in a 8x9 image"):
        distance_to_border(8, 9, [Box(0, 0, 8, 8)])


def test_groups_of_distances():
    distance = torch.tensor([[0, 1, 7], [8, 9, 500]])
    expected = [[sum(edge <= pixels for edge in (1, 8, 64)) for pixels in row] for row in distance.tolist()]
    groups = distance_groups(distance, (1, 8, 64))
    assert groups.dtype == torch.uint8
    assert groups.tolist() == expected == [[0, 1, 1], [2, 2, 3]]


@pytest.mark.parametrize("edges", [(), (0, 4), (4, 4), (8, 4), tuple(range(1, 300))])
def test_edges_must_rise_from_one(edges):
    with pytest.raises(EvaluationError, match="must rise from 1"):
        distance_groups(torch.zeros(2, 2), edges)
