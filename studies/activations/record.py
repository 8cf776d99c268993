"""Activation maps of one run: summed over channels, for a few images and layers (Figure 5)."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.codec import Record


@dataclass(frozen=True)
class Shown:
    """An image that a network was shown.

    Attributes:
        path: its file.
        label: what to call it: its class, or the file's name.
        png: as the network sees it, cut and resized, but before normalisation.
    """

    path: str
    label: str
    png: bytes = field(repr=False)


@dataclass(eq=False)
class ActivationRecord(Record):
    """The content of `evaluations/activations-CHECKPOINT-SCHEME.json`; a new call replaces it.

    Attributes:
        checkpoint: its file name.
        epoch: of the checkpoint, from 0.
        step: of the checkpoint.
        network: whose activations these are.
        padding: the scheme it was trained with, and is evaluated under.
        images: that it was shown.
        maps: module path of a layer to a map (H, W) float32 of each image.
        provenance: versions, commit, host, command.
    """

    KIND: ClassVar[str] = "activations"

    checkpoint: str
    epoch: int
    step: int
    network: str
    padding: str
    images: list[Shown]
    maps: dict[str, list[np.ndarray]]
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if any(len(found) != len(self.images) for found in self.maps.values()):
            raise ValueError("not one map an image")

    @property
    def file_name(self) -> str:
        return f"activations-{Path(self.checkpoint).stem}-{self.padding}.json"

    @property
    def shows(self) -> tuple:
        """Images and layers: records of two runs can stand side by side where these are the same."""
        return tuple(image.path for image in self.images), tuple(self.maps)
