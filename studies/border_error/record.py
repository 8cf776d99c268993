"""The record that `main.py border-error` writes for one network."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from records.codec import Record

TRUE = "true context"
"""Used like a scheme's name for the network that sees real context around the image."""


@dataclass
class Decisions:
    """The classifier's decisions on N images.

    Attributes:
        predicted: predicted classes, (N,).
        probability: probability of the correct class if it is known, else of the class that the network predicts with
            true context, (N,) float32.
    """

    predicted: np.ndarray = field(repr=False)
    probability: np.ndarray = field(repr=False)


@dataclass
class Errors:
    """NMSE(d) of each layer, first layer first, under one scheme; d = 0 is the border, NaN is for constant true maps.

    Attributes:
        whole: NMSE in the whole network, errors of earlier layers included.
        alone: NMSE of the layer alone on its true input.
    """

    whole: list[list[float]] = field(repr=False)
    alone: list[list[float]] = field(repr=False)


@dataclass
class BorderErrorRecord(Record):
    """The content of `border-error/NETWORK-SIZE.json`.

    Attributes:
        network: timm's name of the network, or the run's name.
        weights: origin of the weights, in words.
        padding: scheme that the network was trained with.
        size, margin: side of the image, and context on each side, in pixels.
        images: number of images.
        digest: digest of the image files' names and sizes; in older records of the names alone.
        schemes: schemes that were asked for.
        layers: module paths of the padded convolutions, from input to output.
        floor: NMSE of each layer at the border between two true-context networks whose large images are padded by
            zero and by replicate: the far border's remaining effect; 0 if the margin exceeds the layer's reach.
        errors: errors by scheme.
        decisions: decisions by scheme and TRUE; empty if the network has no `forward_head`.
        targets: correct classes; None if they are unknown.
        failed: a sentence for each scheme that could not be measured.
        provenance: start, command, versions, commit, host.
        state: digest of the weights and of the user's files that define schemes; empty in older records.
        enlargement: largest factor by which an image was resized; 0 in older records.
    """

    KIND: ClassVar[str] = "border-error"

    network: str
    weights: str
    padding: str
    size: int
    margin: int
    images: int
    digest: str
    schemes: list[str]
    layers: list[str]
    floor: list[float]
    errors: dict[str, Errors]
    decisions: dict[str, Decisions]
    targets: list[int] | None
    failed: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)
    state: str = ""
    enlargement: float = 0.0
