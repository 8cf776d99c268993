"""Finds pixels near the border: outside of the centre that section 4.2.1 and Table 7 leave out, or by their distance.

Partial Convolution based Padding, https://arxiv.org/abs/1811.11718
"""

import math
from collections.abc import Sequence
from fractions import Fraction

import torch

from evaluation.errors import EvaluationError
from evaluation.tiles import Box, coverage, exact

MOST_GROUPS = 256
"""Limit of the number of groups, because group numbers are uint8."""


def centre_box(height: int, width: int, proportion: float | Fraction) -> Box:
    """The centre that Table 7 leaves out: `proportion`, in [0, 1), of the height and of the width, in pixels.

    Rows are [m, height - m) with m = round(height * (1 - proportion) / 2), and columns likewise. A half is rounded up,
    not to the even number, so that proportion 0 is empty at odd sizes, too. Boxes of rising proportions nest, and each
    is symmetric about both axes. Raises EvaluationError for a proportion outside [0, 1).

    >>> centre_box(8, 16, 1 / 2)
    Box(top=2, left=4, bottom=6, right=12)
    """
    if not 0 <= proportion < 1:
        raise EvaluationError(f"the leave-out proportion is {proportion}; it must be at least 0 and below 1")
    # In fractions: (1 - 0.9) / 2 of 10 rows is 0.5, which rounds up; in floats it is slightly less.
    kept = (1 - exact(proportion)) / 2
    top, left = _round_half_up(height * kept), _round_half_up(width * kept)
    return Box(top, left, max(top, height - top), max(left, width - left))


def _round_half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def leave_out_bands(
    height: int, width: int, proportions: Sequence[float | Fraction], tiles: Sequence[Box] | None = None
) -> torch.Tensor:
    """Counts for each pixel the proportions that leave it out.

    The boxes nest, so proportion i of n keeps the pixels in bands 0 to n - 1 - i, and one confusion matrix grouped by
    these n + 1 bands gives every column of Table 7; see `leave_out_miou`.

    Args:
        height, width: size of the image in pixels.
        proportions: rising proportions, each in [0, 1).
        tiles: boxes that cover each pixel once; each tile's centre is left out instead of the image's.

    Returns:
        (height, width) uint8, from 0 at the border to the number of proportions in the centre.

    Raises:
        EvaluationError: the proportions do not rise or are out of range, or the tiles overlap or leave gaps.

    >>> leave_out_bands(4, 4, [0, 1 / 2])
    tensor([[0, 0, 0, 0],
            [0, 1, 1, 0],
            [0, 1, 1, 0],
            [0, 0, 0, 0]], dtype=torch.uint8)
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
        # A view, so that adding to it counts in `bands`.
        inside = bands[tile.slices]
        for proportion in proportions:
            inside[centre_box(tile.height, tile.width, proportion).slices] += 1
    return bands


def _shown(tiles: Sequence[Box], limit: int = 4) -> str:
    rest = len(tiles) - limit
    return ", ".join(str(tuple(tile)) for tile in tiles[:limit]) + (f" and {rest} more" if rest > 0 else "")


def distance_to_border(height: int, width: int, tiles: Sequence[Box] | None = None) -> torch.Tensor:
    """The number of pixels between each pixel and the nearest border, 0 at the border: (height, width) int32.

    Args:
        height, width: size of the image in pixels.
        tiles: boxes that may overlap; the distance is to the border of the tile instead of the image, and a pixel in
            several tiles gets the largest of its distances.

    Raises:
        EvaluationError: a tile lies outside the image, or a pixel lies in no tile.

    >>> distance_to_border(3, 5)[1]
    tensor([0, 1, 1, 1, 0], dtype=torch.int32)
    """
    tiles = [Box(0, 0, height, width)] if tiles is None else tiles
    if (coverage(height, width, tiles) == 0).any():
        raise EvaluationError(f"the tiles {_shown(tiles)} leave gaps in a {height}x{width} image; they must cover it")
    distance = torch.zeros((height, width), dtype=torch.int32)
    for tile in tiles:
        inside = distance[tile.slices]
        depth = torch.minimum(_axis_depth(tile.height)[:, None], _axis_depth(tile.width))
        torch.maximum(inside, depth, out=inside)
    return distance


def _axis_depth(length: int) -> torch.Tensor:
    forward = torch.arange(length, dtype=torch.int32)
    return torch.minimum(forward, forward.flip(0))


def distance_groups(distance: torch.Tensor, edges: Sequence[int]) -> torch.Tensor:
    """The bin of each distance: below edges[0], from edges[0] to below edges[1], ..., from the last edge on.

    Distances are in pixels, of any shape; bins are uint8 of the same shape, 0 to len(edges). Raises as `check_edges`.

    >>> distance_groups(torch.tensor([0, 3, 4, 99]), [4, 8])
    tensor([0, 0, 1, 2], dtype=torch.uint8)
    """
    check_edges(edges)
    # right=True puts a distance equal to an edge into the bin that begins there.
    return torch.bucketize(distance, torch.tensor(edges, device=distance.device), right=True).to(torch.uint8)


def check_edges(edges: Sequence[int]) -> None:
    """Raises EvaluationError unless the edges of distance bins rise from 1 or more pixels.

    >>> check_edges([4, 8, 16])
    """
    edges = list(edges)
    if not edges or edges != sorted(set(edges)) or edges[0] < 1 or len(edges) >= MOST_GROUPS:
        raise EvaluationError(
            f"edges of distance bins must rise from 1 pixel or more, and be 1 to {MOST_GROUPS - 1} of them, got {edges}"
        )
