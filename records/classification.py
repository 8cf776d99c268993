"""What an evaluated classifier did: its accuracy, and the class that it gave to each image."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.codec import Record


@dataclass(frozen=True)
class ImageList(Record):
    """The images that were evaluated, in order; written to a `.json.gz`.

    Attributes:
        files: relative to the folder that the record of an evaluation names.
        targets: class of each, a position in `class_names`.
        class_names: of all classes.
    """

    files: list[str]
    targets: list[int]
    class_names: list[str]


@dataclass(eq=False)
class ClassificationRecord(Record):
    """The content of a file in a run folder's `evaluations/`, of a checkpoint under a scheme on the reported images.

    Attributes:
        checkpoint: its file name.
        epoch: of the checkpoint, from 0.
        step: of the checkpoint.
        network: what was evaluated.
        padding: the scheme it was trained with.
        padding_at_test: the scheme it was evaluated with.
        precision: that it was computed in, as the Trainer calls it.
        data: what it was evaluated on: number, digest of the files, resizing and crop.
        images: how many.
        acc1, acc5: in percent; acc5 is None for five classes or fewer.
        loss: mean cross entropy in nats.
        image_folder: where the images were.
        image_list: name of the file beside this one that lists them (ImageList).
        predicted: class given to each image (N,) int64, in the order of the list.
        provenance: versions, commit, host, command.
    """

    KIND: ClassVar[str] = "classification"

    checkpoint: str
    epoch: int
    step: int
    network: str
    padding: str
    padding_at_test: str
    precision: str
    data: dict[str, Any]
    images: int
    acc1: float
    acc5: float | None
    loss: float
    image_folder: str
    image_list: str
    predicted: np.ndarray = field(repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if self.predicted.shape != (self.images,):
            raise ValueError(f"{self.predicted.size} predictions of {self.images} images")

    @property
    def file_name(self) -> str:
        """Checkpoint, scheme and a hash of what was done: the same evaluation replaces its own file and no other."""
        how = [self.epoch, self.step, self.network, self.padding, self.precision, self.data]
        digest = hashlib.sha1(json.dumps(how, sort_keys=True).encode()).hexdigest()
        return f"{Path(self.checkpoint).stem}-{self.padding_at_test}-{digest[:8]}.json"
