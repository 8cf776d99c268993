"""Which pixels lie near the border: the boxes that section 4.2.1 and Table 7 leave out, and the distance to it."""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch

from evaluation.errors import EvaluationError
from evaluation.exact import exact
from evaluation.tiles import Box, coverage

MOST_GROUPS = 256
"""Groups are numbered in uint8."""


def centre_box(height: int, width: int, proportion: float | Fraction) -> Box:
    """The centre that Table 7 leaves out: `proportion` of the height by `proportion` of the width.

    Rows [m, height - m) with m = round(height * (1 - proportion) / 2), a half rounded up, and columns alike. A half
    goes up rather than to the even number so that proportion 0 is empty at odd sizes too. Boxes of rising proportions
    nest, and each is symmetric about both axes.

    Args:
        height: pixels.
        width: pixels.
        proportion: in [0, 1); 0 gives an empty box.

    Raises:
        EvaluationError: if the proportion is outside [0, 1).
    """
    if not 0 <= proportion < 1:
        raise EvaluationError(f"the leave-out proportion is {proportion}; it must be at least 0 and below 1")
    kept = (1 - exact(proportion)) / 2
    top, left = _round_half_up(height * kept), _round_half_up(width * kept)
    return Box(top, left, max(top, height - top), max(left, width - left))


def _round_half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def leave_out_bands(
    height: int, width: int, proportions: Sequence[float | Fraction], tiles: Sequence[Box] | None = None
) -> torch.Tensor:
    """For each pixel, how many of the proportions leave it out.

    As the boxes nest, pixels in bands 0 to n - 1 - i are those that proportion i of n keeps. So one confusion matrix
    grouped by these n + 1 bands gives every column of Table 7; see `leave_out_confusions`.

    Args:
        height: pixels.
        width: pixels.
        proportions: rising, each in [0, 1).
        tiles: leave out each tile's centre instead of the image's; they must cover each pixel once.

    Returns:
        (height, width) uint8, from 0 at the border to the number of proportions in the centre.

    Raises:
        EvaluationError: if the proportions do not rise or are out of range, or the tiles overlap or leave gaps.
    """
    proportions = list(proportions)
    if proportions != sorted(set(proportions)) or len(proportions) >= MOST_GROUPS:
        raise EvaluationError(f"leave-out proportions must rise and be fewer than {MOST_GROUPS}, got {proportions}")
    if tiles is None:
        tiles = [Box(0, 0, height, width)]
    elif (coverage(height, width, tiles) != 1).any():
        raise EvaluationError(
            f"the tiles {_shown(tiles)} do not cover each pixel of a {height}x{width} image once; a leave-out in each "
            "tile's centre needs tiles without overlap, of a size that divides the image's"
        )
    bands = torch.zeros((height, width), dtype=torch.uint8)
    for tile in tiles:
        inside = bands[tile.slices]
        for proportion in proportions:
            inside[centre_box(tile.height, tile.width, proportion).slices] += 1
    return bands


def _shown(tiles: Sequence[Box], limit: int = 4) -> str:
    rest = len(tiles) - limit
    return ", ".join(str(tuple(tile)) for tile in tiles[:limit]) + (f" and {rest} more" if rest > 0 else "")


def distance_to_border(height: int, width: int, tiles: Sequence[Box] | None = None) -> torch.Tensor:
    """Pixels between each pixel and the nearest border, 0 along the border itself.

    Args:
        height: pixels.
        width: pixels.
        tiles: measure to the border of the tile instead of the image's; they may overlap, and each pixel counts in the
            tile where it lies deepest.

    Returns:
        (height, width) int32.

    Raises:
        EvaluationError: if a tile lies outside the image, or a pixel in no tile.
    """
    if tiles is None:
        return _depth(height, width)
    if (coverage(height, width, tiles) == 0).any():
        raise EvaluationError(f"the tiles {_shown(tiles)} leave gaps in a {height}x{width} image; they must cover it")
    distance = torch.zeros((height, width), dtype=torch.int32)
    for tile in tiles:
        inside = distance[tile.slices]
        torch.maximum(inside, _depth(tile.height, tile.width), out=inside)
    return distance


def _depth(height: int, width: int) -> torch.Tensor:
    rows, columns = _axis_depth(height), _axis_depth(width)
    return torch.minimum(rows[:, None], columns[None, :])


def _axis_depth(length: int) -> torch.Tensor:
    forward = torch.arange(length, dtype=torch.int32)
    return torch.minimum(forward, forward.flip(0))


def distance_groups(distance: torch.Tensor, edges: Sequence[int]) -> torch.Tensor:
    """The bin of each distance: below edges[0], from edges[0] to below edges[1], ..., from the last edge on.

    Args:
        distance: pixels, any shape, as `distance_to_border` gives.
        edges: rising, 1 pixel or more.

    Returns:
        uint8 of the same shape, 0 to len(edges).

    Raises:
        EvaluationError: if the edges do not rise from 1 or more.
    """
    check_edges(edges)
    return torch.bucketize(distance, torch.tensor(edges, device=distance.device), right=True).to(torch.uint8)


def check_edges(edges: Sequence[int]) -> None:
    """Raises EvaluationError unless the edges of distance bins rise from 1 pixel or more."""
    edges = list(edges)
    if not edges or edges != sorted(set(edges)) or edges[0] < 1 or len(edges) >= MOST_GROUPS:
        raise EvaluationError(
            f"edges of distance bins must rise from 1 pixel or more, and be 1 to {MOST_GROUPS - 1} of them, got {edges}"
        )
