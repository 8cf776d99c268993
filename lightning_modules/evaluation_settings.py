"""How a segmentation network is tested: whole, in tiles, and at the border."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from evaluation import EvaluationError, check_edges
from lightning_modules.errors import ModelError

Share = float | str
"""A number, or a fraction such as 1/3."""


@dataclass
class EvaluationSettings:
    """Options of `test` (all) and `predict` (tile_size, average, predict_overlap); training does not depend on them.

    Args:
        tile_size: side of the square tiles, in pixels; null takes each image's shorter side, 1024 in Cityscapes.
        overlaps: of neighbouring tiles to test, as shares of the tile, such as [0, 1/3] (Table 6); [] tests the
            whole image only.
        average: what is averaged where tiles overlap: "logits" or "probabilities".
        leave_out: sides of the centre that is left out, as shares of the image's or tile's sides (Table 7).
        border_scope: whose centre that is: "image", or "tile", each tile's, of the tiling without overlap only.
        distance_edges: where the bins of the curve over the distance to the nearest border end, in pixels.
        predict_overlap: tiles for `predict`, by their overlap; null predicts the whole image at once.

    Raises:
        ModelError: a share out of range, edges that do not rise, or settings that contradict one another.
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


def share(name: str, value: Share, group: str = "model.evaluation") -> Fraction:
    """`value` as a fraction from 0 to below 1.

    Raises:
        ModelError: if it is none; `group` and `name` are the option's.
    """
    try:
        found = Fraction(str(value)).limit_denominator(10_000)
    except (ValueError, ZeroDivisionError):
        found = None
    if found is None or not 0 <= found < 1:
        raise ModelError(f"{group}.{name} holds {value!r}; give shares from 0 to below 1, such as 0.25 or 1/3")
    return found
