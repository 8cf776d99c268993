"""What `main.py border-error` measured of one network."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from records.codec import Record

TRUE = "true context"
"""Stands among the schemes for the network that sees real context around the image."""


@dataclass
class Decisions:
    """What the classifier says of each image.

    Attributes:
        predicted: class (N,).
        probability: of the correct class where it is known, else of the class that the network with true context
            gives, (N,) float32.
    """

    predicted: np.ndarray = field(repr=False)
    probability: np.ndarray = field(repr=False)


@dataclass
class Errors:
    """NMSE(d) of each layer in order, d = 0 at the border, under one scheme; NaN where the true maps do not vary.

    Attributes:
        whole: of the whole network, errors of earlier layers included.
        alone: of the layer alone, its input true.
    """

    whole: list[list[float]] = field(repr=False)
    alone: list[list[float]] = field(repr=False)


@dataclass
class BorderErrorRecord(Record):
    """The content of `border-error/NETWORK-SIZE.json`.

    Attributes:
        network: timm's name, or the run's.
        weights: where they are from, in words.
        padding: scheme that it was trained with.
        size, margin: of the image and of the context on each side, in pixels.
        images: their number.
        digest: of their files' names and sizes; in older records of the names alone.
        schemes: that were asked for.
        layers: padded convolutions by module path, from input to output.
        floor: of each layer, the NMSE at the border between two true-context networks whose large images are padded by
            zero and by replicate: what the far border still does; 0 where the margin exceeds the layer's reach.
        errors: by scheme.
        decisions: by scheme, and TRUE; empty where the network has no head of its own.
        targets: correct classes; None where they are not known.
        failed: a sentence for each scheme that could not be measured.
        provenance: start, command, versions, commit, host.
        state: digest of the weights and of users' files with schemes; empty in older records.
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
