"""Result of `validate`: the metrics of a checkpoint, and how many predictions of each image are right."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.codec import Record


@dataclass(eq=False)
class ValidationRecord(Record):
    """The content of a file in a run folder's `evaluations/`.

    Attributes:
        checkpoint: its file name.
        epoch: of the checkpoint, from 0.
        step: of the checkpoint.
        network: name of the validated network.
        padding: scheme in training.
        padding_at_test: scheme in this validation.
        precision: the Trainer's name of the precision.
        data: the validated images: their number and a digest of their names.
        shown: "padded", "cropped", or "alone" (scenes one by one).
        mask_rule: how padded batches were masked; None where they were not padded.
        metrics: name to value, in percent but for the loss (nats).
        right: right predictions of each image (N,) int64, in the order of the data.
        predictions: all predictions of each image (N,) int64: 1 of a classified image, the labelled pixels of a scene.
        provenance: versions, commit, host, command.
    """

    KIND: ClassVar[str] = "validation"

    checkpoint: str
    epoch: int
    step: int
    network: str
    padding: str
    padding_at_test: str
    precision: str
    data: dict[str, Any]
    shown: str
    mask_rule: str | None
    metrics: dict[str, float]
    right: np.ndarray = field(repr=False)
    predictions: np.ndarray = field(repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.right.ndim != 1 or self.right.shape != self.predictions.shape:
            raise ValueError(f"right predictions of {self.right.size} images, but {self.predictions.size} numbers")

    @property
    def view(self) -> str:
        """How the images were shown, in a word: "cropped", "alone", or "padded, " and the mask rule."""
        return self.shown if self.mask_rule is None else f"{self.shown}, {self.mask_rule}"

    @property
    def file_name(self) -> str:
        """Checkpoint, scheme, view and a hash: the same validation replaces its own file and no other."""
        how = [self.epoch, self.step, self.network, self.padding, self.precision, self.data]
        digest = hashlib.sha1(json.dumps(how, sort_keys=True).encode()).hexdigest()
        view = self.view.replace(", ", "-")
        return f"{Path(self.checkpoint).stem}-{self.padding_at_test}-{view}-{digest[:8]}.json"
