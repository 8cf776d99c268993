"""Sums maps over the positions at each distance from the border (a ring)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from evaluation.border import distance_to_border

ROUNDING = 1e-6
"""Share of the squares below which a spread is only the rounding of float32."""


@dataclass(eq=False)
class RingSums:
    """Sums of one layer's maps over images and the positions at each of D distances.

    Attributes:
        distance: distance of each position to the border, (h * w).
        count: number of images so far.
        total, squares: sums of the true map and of its square, (C, D), for variances about each channel's mean at that
            distance.
    """

    distance: Tensor
    count: int
    total: Tensor
    squares: Tensor

    @classmethod
    def of(cls, maps: Tensor) -> "RingSums":
        distance = distance_to_border(*maps.shape[2:]).flatten().long()
        empty = torch.zeros(maps.shape[1], int(distance.max()) + 1, dtype=torch.double)
        return cls(distance, 0, empty, empty.clone())

    def add(self, maps: Tensor) -> None:
        self.count += len(maps)
        self.total += self.by_ring(maps.sum(0))
        self.squares += self.by_ring(maps.square().sum(0))

    def by_ring(self, maps: Tensor) -> Tensor:
        """Sums maps (C, h, w) over the positions at each distance: (C, D)."""
        return torch.zeros_like(self.total).index_add_(1, self.distance, maps.flatten(1).double())

    def squared_error(self, maps: Tensor, true: Tensor) -> Tensor:
        """Sums (maps - true)^2 per distance: (D)."""
        # Summed over images and channels first, so that the sum by distance has about a hundredth of the work.
        off = (maps - true).square_().sum((0, 1)).double().flatten()
        return off.new_zeros(self.total.shape[1]).index_add_(0, self.distance, off)

    def moments(self, chosen: slice | None = None) -> tuple[Tensor, Tensor]:
        """Mean and variance per channel and distance, (C, D), or over the `chosen` distances together, (C, 1)."""
        positions = torch.bincount(self.distance) * self.count
        parts = [self.total, self.squares, positions]
        if chosen is not None:
            parts = [each[..., chosen].sum(-1, keepdim=True) for each in parts]
        total, squares, positions = parts
        return total / positions, (squares / positions - (total / positions).square()).clamp(min=0)

    @property
    def spread(self) -> Tensor:
        """Sums of (true - mean)^2 per distance, (D); NaN if that is rounding, as for one image and one position."""
        positions = torch.bincount(self.distance) * self.count
        found = (self.squares - self.total.square() / positions).sum(0)
        return found.where(found > ROUNDING * self.squares.sum(0), torch.nan)
