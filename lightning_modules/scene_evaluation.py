"""Counts predictions for Tables 6 and 7 and for mIoU by distance to the border in one pass over the images.

Section 4.2 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718
"""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import torch
from torch import nn
from torchmetrics import SumMetric

from evaluation import (
    EvaluationError,
    check_edges,
    distance_groups,
    distance_to_border,
    leave_out_bands,
    tile_boxes,
)
from lightning_modules.errors import ModelError
from lightning_modules.pixel_metrics import GroupedConfusion

REGULAR = "regular"
"""Mode of predicting the whole image at once; the same name as in records.evaluation."""

Share = float | str
"""A number, or a fraction such as 1/3."""


@dataclass
class EvaluationSettings:
    """Options of `test` (all) and `predict` (tile_size, average, predict_overlap); training does not depend on them.

    Args:
        tile_size: side of the square tiles, in pixels; null for each image's shorter side, 1024 in Cityscapes.
        overlaps: overlaps of neighbouring tiles to test, as shares of the tile, such as [0, 1/3] (Table 6); [] tests
            the whole image only.
        average: quantity to average where tiles overlap: "logits" or "probabilities".
        leave_out: sides of the centre that is left out, as shares of the image's or tile's sides (Table 7).
        border_scope: region whose centre is left out: "image", or "tile" (each tile of the tiling without overlap).
        distance_edges: upper ends of the bins of the distance to the nearest border, in pixels.
        predict_overlap: overlap of the tiles that `predict` uses; null predicts the whole image at once.

    Raises:
        ModelError: for a share out of range, edges that do not increase, or settings that contradict one another.
    """

    tile_size: int | None = None
    overlaps: list[Share] = field(default_factory=lambda: [0, "1/3"])
    average: Literal["logits", "probabilities"] = "logits"
    leave_out: list[Share] = field(default_factory=lambda: [0, "1/3", "1/2", "2/3", "3/4", "7/8"])
    border_scope: Literal["image", "tile"] = "image"
    distance_edges: list[int] = field(default_factory=lambda: [4, 8, 16, 32, 64, 128, 256])
    predict_overlap: Share | None = None

    def __post_init__(self) -> None:
        if self.tile_size is not None and self.tile_size < 1:
            raise ModelError(f"model.evaluation.tile_size is {self.tile_size}; it must be at least 1, or null")
        for name in ("overlaps", "leave_out"):
            shares = [share(name, value) for value in getattr(self, name)]
            if len(set(shares)) < len(shares):
                raise ModelError(f"model.evaluation.{name} is {getattr(self, name)}; a share stands there twice")
        if self.predict_overlap is not None:
            share("predict_overlap", self.predict_overlap)
        if not self.leave_out:
            raise ModelError("model.evaluation.leave_out is []; [0] leaves nothing out")
        if self.border_scope == "tile" and 0 not in [share("overlaps", value) for value in self.overlaps]:
            raise ModelError(
                f"model.evaluation.border_scope is tile, but model.evaluation.overlaps is {self.overlaps}: a tile's "
                "centre is left out of tiles that do not overlap, so put 0 among the overlaps"
            )
        try:
            check_edges(self.distance_edges)
        except EvaluationError as error:
            raise ModelError(f"model.evaluation.distance_edges: {error}") from None

    def tile_side(self, height: int, width: int) -> int:
        """Side of the tiles of an image of that size, in pixels."""
        return self.tile_size or min(height, width)


def share(name: str, value: Share, group: str = "model.evaluation") -> Fraction:
    """Converts `value` to a fraction from 0 to below 1; raises ModelError, naming `group.name`, if it is none."""
    try:
        # limit_denominator turns 0.3333333333333333 into 1/3.
        found = Fraction(str(value)).limit_denominator(10_000)
    except (ValueError, ZeroDivisionError):
        found = None
    if found is None or not 0 <= found < 1:
        raise ModelError(f"{group}.{name} holds {value!r}; give shares from 0 to below 1, such as 0.25 or 1/3")
    return found


@dataclass(frozen=True)
class SceneCounts:
    """Result of `test` over all processes.

    Attributes:
        images: number of images with a labelled pixel.
        confusion: prediction mode to counts (bands, bins, C, C) int64 on the CPU.
    """

    images: int
    confusion: dict[str, torch.Tensor]


class SceneEvaluation(nn.Module):
    """Counts each predicted pixel once, by its border band (Table 7) and its distance to the nearest border.

    The modes of predicting are `regular` and `tiled_OVERLAP` for each overlap, such as `tiled_0` and `tiled_1-3`. The
    distance is to the image's border in the mode `regular`, else to the nearest border of a tile. The bands lie around
    the image's centre; with border_scope "tile", those of the tiling without overlap lie around each tile's centre.
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
        """Size, overlap and averaging of the tiles of an image, as arguments of `predict_tiled`."""
        size = self.settings.tile_side(height, width)
        return {"size": size, "overlap": self.tilings[mode], "average": self.settings.average}

    def count(self, mode: str, prediction: torch.Tensor, target: torch.Tensor) -> None:
        """Adds an image's predicted classes (H, W) and its target (H, W)."""
        self.confusions[mode].update(prediction, target, self._group_map(mode, *target.shape).to(target.device))

    def compute(self) -> SceneCounts:
        """The sums over all processes; every process must call it."""
        shape = (self.bands, self.bins)
        confusion = {mode: each.compute().cpu().unflatten(0, shape) for mode, each in self.confusions.items()}
        return SceneCounts(int(self.images.compute()), confusion)

    def _group_map(self, mode: str, height: int, width: int) -> torch.Tensor:
        # Cached: the images of a data set have one size, or few.
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
    """`tiled_1-3` for an overlap of 1/3; without the slash, since the mode becomes part of a metric's name."""
    return f"tiled_{overlap}".replace("/", "-")
