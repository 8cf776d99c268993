"""Activation maps of Figure 5: summed over channels, and how strong they are at the border."""

import math

import torch


def summed_over_channels(activation: torch.Tensor) -> torch.Tensor:
    """(N, H, W) float32 of an activation (N, C, H, W): the maps that Figure 5 shows."""
    return activation.float().sum(1)


def border_and_interior(summed: torch.Tensor) -> tuple[float, float]:
    """Mean over the outermost ring of positions of a map (H, W), and over those inside it (NaN if there are none)."""
    interior = summed[1:-1, 1:-1].double()
    ring = summed.double().sum() - interior.sum()
    inside = interior.numel()
    return float(ring / (summed.numel() - inside)), float(interior.mean()) if inside else math.nan


def border_ratio_of(summed: torch.Tensor) -> float:
    """Border over interior of a map (H, W): above 1 the border is the stronger; NaN without an interior or at 0 / 0."""
    border, interior = border_and_interior(summed)
    return border / interior if interior else math.nan
