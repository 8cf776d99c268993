"""Every table of section 4.2 from one pass: confusion matrices by way of predicting, border band and distance."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import torch
from torch import nn
from torchmetrics import SumMetric

from evaluation import distance_groups, distance_to_border, leave_out_bands, tile_boxes
from lightning_modules.confusion import GroupedConfusion
from lightning_modules.evaluation_settings import EvaluationSettings, share

REGULAR = "regular"
"""The whole image at once, in the words of records.evaluation."""


@dataclass(frozen=True)
class Tested:
    """What came of a test over all processes.

    Attributes:
        images: how many were counted.
        confusion: for each way of predicting, counts (bands, bins, C, C) int64 on the CPU.
    """

    images: int
    confusion: dict[str, torch.Tensor]


class SceneEvaluation(nn.Module):
    """Counts each predicted pixel once, by its border band (Table 7) and its distance to the nearest border.

    The ways of predicting are `regular` and `tiled_OVERLAP` for each overlap, such as `tiled_0` and `tiled_1-3`.
    Distances are to the image's border for `regular` and to the nearest border of a tile otherwise. Bands lie around
    the image's centre; with the scope "tile" around each tile's, in the tiling without overlap.

    Args:
        settings: tiles, bands and bins.
        num_classes: classes that count.
    """

    def __init__(self, settings: EvaluationSettings, num_classes: int) -> None:
        super().__init__()
        self.settings = settings
        overlaps = [share("overlaps", value) for value in settings.overlaps]
        self.tilings = {mode_name(overlap): overlap for overlap in overlaps}
        self.leave_out = sorted(share("leave_out", value) for value in settings.leave_out)
        self.bands, self.bins = len(self.leave_out) + 1, len(settings.distance_edges) + 1
        self.confusions = nn.ModuleDict(
            {mode: GroupedConfusion(num_classes, self.bands * self.bins) for mode in (REGULAR, *self.tilings)}
        )
        self.images = SumMetric()
        self._groups: dict[tuple, torch.Tensor] = {}

    def tiling(self, mode: str, height: int, width: int) -> dict[str, Any]:
        """Size, overlap and averaging of the tiles of an image."""
        size = self.settings.tile_size or min(height, width)
        return {"size": size, "overlap": self.tilings[mode], "average": self.settings.average}

    def count(self, mode: str, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Counts an image's predicted classes (H, W) against its target (H, W)."""
        self.confusions[mode].update(prediction, target, self._group_map(mode, *target.shape).to(target.device))

    def compute(self) -> Tested:
        """The sums over all processes: every one of them must ask."""
        shape = (self.bands, self.bins)
        confusion = {mode: each.compute().cpu().unflatten(0, shape) for mode, each in self.confusions.items()}
        return Tested(int(self.images.compute()), confusion)

    def _group_map(self, mode: str, height: int, width: int) -> torch.Tensor:
        # The images of a data set are of one size, or of few.
        key = (mode, height, width)
        if key not in self._groups:
            tiles = None
            if mode != REGULAR:
                tiling = self.tiling(mode, height, width)
                tiles = tile_boxes(height, width, tiling["size"], tiling["overlap"])
            centres = tiles if self.settings.border_scope == "tile" and self.tilings.get(mode) == 0 else None
            bands = leave_out_bands(height, width, self.leave_out, centres).long()
            distance = distance_to_border(height, width, tiles)
            self._groups[key] = bands * self.bins + distance_groups(distance, self.settings.distance_edges).long()
        return self._groups[key]


def mode_name(overlap: Fraction) -> str:
    """`tiled_1-3` for an overlap of 1/3; a metric's name takes no slash."""
    return f"tiled_{overlap}".replace("/", "-")
