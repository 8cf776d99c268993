"""How often a prediction is wrong near the border, and which images show best how two networks differ there."""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from evaluation import Box, distance_to_border

ZONE = 16
"""The zone is a 16th of a tile's side wide: what leaving out 7/8 of it (Table 7) leaves."""

IGNORED = 255


class Errors(NamedTuple):
    """Pixels of an image's zone that are wrong, and those that count."""

    wrong: int
    counted: int

    @property
    def share(self) -> float:
        """From 0 to 1. Raises ZeroDivisionError where no pixel counts."""
        return self.wrong / self.counted


def border_zone(height: int, width: int, tiles: Sequence[Box], size: int) -> torch.Tensor:
    """(H, W) bool: pixels less than a ZONEth of `size` from the nearest border of a tile.

    Where tiles overlap, a pixel counts in the tile in which it lies deepest.
    """
    return distance_to_border(height, width, tiles) < max(1, size // ZONE)


def errors(prediction: torch.Tensor, target: torch.Tensor, zone: torch.Tensor) -> Errors:
    """Errors of classes (H, W) within `zone`; pixels whose target is IGNORED do not count."""
    counted = zone & (target != IGNORED)
    return Errors(int((counted & (prediction != target)).sum()), int(counted.sum()))


def pooled(found: Sequence[Errors]) -> Errors:
    """Over several images."""
    return Errors(sum(each.wrong for each in found), sum(each.counted for each in found))


def most_different(pairs: Sequence[tuple[Errors, Errors]], count: int) -> list[int]:
    """Numbers of the images whose shares of wrong pixels differ most between the two sides, the most first.

    Which side is better plays no part. Of equal ones the first come first; images without a pixel that counts are
    passed over.
    """
    differences = {
        number: abs(ours.share - theirs.share)
        for number, (ours, theirs) in enumerate(pairs)
        if ours.counted and theirs.counted
    }
    return sorted(differences, key=lambda number: -differences[number])[:count]


def evenly(total: int, count: int) -> list[int]:
    """At most `count` of the numbers below `total`, evenly spread, the first among them."""
    return list(range(total)) if total <= count else [number * total // count for number in range(count)]
