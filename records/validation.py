"""Record of `validate`: the metrics of a checkpoint, and the number of right predictions per image."""

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from records.checkpoint import CheckpointRecord

VIEWS = ("padded, fixed", "padded, grow", "padded, singly", "padded, none", "cropped", "alone")
"""Ways of feeding the images to the network; a comparison subtracts the later way from the earlier one."""


@dataclass(eq=False)
class ValidationRecord(CheckpointRecord):
    """Result of `validate`.

    Attributes:
        shown: way of feeding the images: "padded", "cropped", or "alone" (scenes one by one).
        mask_rule: mask rule of padded batches; None if batches were not padded.
        metrics: name to value, in percent; the loss in nats.
        right: number of right predictions per image (N,) int64, in the order of the data.
        predictions: number of predictions per image (N,) int64: 1 if it is classified, else its labelled pixels.
    """

    KIND: ClassVar[str] = "validation"

    shown: str
    mask_rule: str | None
    metrics: dict[str, float]
    right: np.ndarray = field(repr=False)
    predictions: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if self.right.ndim != 1 or self.right.shape != self.predictions.shape:
            raise ValueError(f"right predictions of {self.right.size} images, but {self.predictions.size} numbers")
        if self.view not in VIEWS:
            raise ValueError(f"it is of {self.view!r} images; there are {', '.join(VIEWS)}")

    @property
    def view(self) -> str:
        """One of VIEWS: "cropped", "alone", or "padded, " and the mask rule."""
        return self.shown if self.mask_rule is None else f"{self.shown}, {self.mask_rule}"

    @property
    def label(self) -> str:
        return self.view.replace(", ", "-") + "-"
