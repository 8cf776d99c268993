"""Base class of the records of an evaluated checkpoint, and the records of its activations and of measurements."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.codec import Record


def plain(name: str) -> str:
    """Makes a name usable in a file name: the name of a scheme may hold commas, colons and slashes.

    >>> plain("extrapolate:2")
    'extrapolate_2'
    """
    return re.sub(r"[^\w.-]+", "_", name)


def scheme_part(scheme: str) -> str:
    """Makes a scheme usable in a file name. Patterns get a hash, too, since they may differ in punctuation only."""
    mark = f"-{hashlib.sha1(scheme.encode()).hexdigest()[:6]}" if "=" in scheme else ""
    return plain(scheme) + mark


# eq=False: a comparison of records with NumPy arrays would raise.
@dataclass(eq=False)
class CheckpointRecord(Record):
    """The content of a file in a run folder's `evaluations/`: a checkpoint under a scheme on the reported images.

    Attributes:
        checkpoint: file name of the checkpoint.
        epoch: epoch of the checkpoint, from 0.
        step: optimiser step of the checkpoint.
        network: name of the network.
        padding: padding scheme in training.
        padding_at_test: padding scheme in this evaluation.
        precision: the Trainer's name of the precision.
        data: values that identify the images, such as their number and a digest of the files.
        provenance: versions, commit, host, command.
    """

    checkpoint: str
    epoch: int
    step: int
    network: str
    padding: str
    padding_at_test: str
    precision: str
    data: dict[str, Any]
    provenance: dict[str, Any] = field(default_factory=dict, repr=False, kw_only=True)

    @property
    def settings(self) -> Any:
        """What was evaluated and how, as JSON values; equal for equal evaluations, whatever their results."""
        return [self.epoch, self.step, self.network, self.padding, self.precision, self.data]

    @property
    def file_name(self) -> str:
        """Checkpoint, scheme and a hash of the settings: the same evaluation replaces its own file and no other."""
        digest = hashlib.sha1(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()
        return f"{Path(self.checkpoint).stem}-{scheme_part(self.padding_at_test)}-{self.label}{digest[:8]}.json"

    @property
    def label(self) -> str:
        """A further part of the file name, which ends with a hyphen; "" for none."""
        return ""


@dataclass(frozen=True)
class Shown:
    """An input image of a network.

    Attributes:
        path: file of the image.
        label: caption of the image: its class or its file name.
        png: PNG of the image as the network gets it, resized and cropped, but before normalisation.
    """

    path: str
    label: str
    png: bytes = field(repr=False)


@dataclass(eq=False)
class ActivationRecord(Record):
    """The content of `evaluations/activations-CHECKPOINT-SCHEME.json`; a new call replaces it.

    Attributes:
        checkpoint: file name of the checkpoint.
        epoch: epoch of the checkpoint, from 0.
        step: optimiser step of the checkpoint.
        network: name of the network.
        padding: padding scheme in training and in this evaluation.
        images: input images.
        maps: module path of a layer to one map (H, W) float32 per image.
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
        return f"activations-{Path(self.checkpoint).stem}-{scheme_part(self.padding)}.json"

    @property
    def shows(self) -> tuple:
        """Images and layers; two records can be shown side by side if these are equal."""
        return tuple(image.path for image in self.images), tuple(self.maps)


@dataclass(eq=False)
class MeasureRecord(CheckpointRecord):
    """The content of `evaluations/CHECKPOINT-SCHEME-STUDY-DIGEST.json`.

    Attributes:
        study: name of the study that made the measurement.
        how: settings of the measurement, as JSON values.
        images: number of images.
        values: measured numbers by name; None where the network does not run.
    """

    KIND: ClassVar[str] = "measure"

    study: str
    how: dict[str, Any]
    images: int
    values: dict[str, list[float | None]] = field(repr=False)

    @property
    def settings(self) -> Any:
        return [*super().settings, self.study, self.how]

    @property
    def label(self) -> str:
        return f"{self.study}-"
