"""Activation maps of Figure 5: sum over channels, and the ratio of border to interior."""

import math

import torch


def summed_over_channels(activation: torch.Tensor) -> torch.Tensor:
    """(N, H, W) float32 of an activation (N, C, H, W): the maps that Figure 5 shows.

    >>> summed_over_channels(torch.ones(2, 64, 7, 7))[0, 0, 0]
    tensor(64.)
    """
    return activation.float().sum(1)


def border_and_interior(summed: torch.Tensor) -> tuple[float, float]:
    """Mean over the outermost ring of positions of a map (H, W), and over the positions inside it (NaN without any).

    >>> border_and_interior(torch.tensor([[3.0, 3, 3], [3, 1, 3], [3, 3, 3]]))
    (3.0, 1.0)
    """
    # In double precision: the ring is a small difference of two large sums.
    interior = summed[1:-1, 1:-1].double()
    ring = summed.double().sum() - interior.sum()
    inside = interior.numel()
    return float(ring / (summed.numel() - inside)), float(interior.mean()) if inside else math.nan


def border_ratio_of(summed: torch.Tensor) -> float:
    """Border mean / interior mean of a map (H, W), above 1 for a stronger border; NaN without an interior or at 0 / 0.

    >>> border_ratio_of(torch.tensor([[3.0, 3, 3], [3, 1, 3], [3, 3, 3]]))
    3.0
    """
    border, interior = border_and_interior(summed)
    return border / interior if interior else math.nan
