"""Activation maps of one run: summed over channels, for a few images and layers (Figure 5)."""

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.atomic import write_text


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
class ActivationRecord:
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

    @property
    def shows(self) -> tuple:
        """Images and layers: records of two runs can stand side by side where these are the same."""
        return tuple(image.path for image in self.images), tuple(self.maps)

    def write(self, folder: str | Path) -> Path:
        """Writes it as JSON into `folder`, atomically; returns the file."""
        images = [{**vars(image), "png": base64.b64encode(image.png).decode()} for image in self.images]
        maps = {layer: [_pack(each) for each in found] for layer, found in self.maps.items()}
        content = {"kind": self.KIND, **vars(self), "images": images, "maps": maps}
        path = Path(folder) / f"activations-{Path(self.checkpoint).stem}-{self.padding}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, separators=(",", ":")) + "\n")
        return path

    @classmethod
    def of(cls, content: dict[str, Any]) -> "ActivationRecord":
        """From parsed JSON without its `kind`. Raises ValueError, KeyError or TypeError if it is damaged."""
        images = [Shown(**{**image, "png": base64.b64decode(image["png"])}) for image in content["images"]]
        maps = {layer: [_unpack(each) for each in found] for layer, found in content["maps"].items()}
        if any(len(found) != len(images) for found in maps.values()):
            raise ValueError("not one map an image")
        return cls(**{**content, "images": images, "maps": maps})


def _pack(values: np.ndarray) -> dict[str, Any]:
    return {"shape": list(values.shape), "base64": base64.b64encode(values.astype("<f4").tobytes()).decode()}


def _unpack(packed: dict[str, Any]) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(packed["base64"], validate=True), dtype="<f4")
    return values.reshape(packed["shape"])
