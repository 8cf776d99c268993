"""What an evaluated classifier did: its accuracy, and the class that it gave to each image."""

import dataclasses
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.atomic import write_atomically, write_text
from records.packed import pack, unpack


@dataclass(frozen=True)
class ImageList:
    """The images that were evaluated, in order.

    Attributes:
        files: relative to the folder that the record of an evaluation names.
        targets: class of each, a position in `class_names`.
        class_names: of all classes.
    """

    files: list[str]
    targets: list[int]
    class_names: list[str]

    def write(self, path: str | Path) -> None:
        """Writes it as compressed JSON, atomically; the same list gives the same bytes."""
        text = json.dumps(dataclasses.asdict(self), separators=(",", ":"))
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, lambda file: file.write(gzip.compress(text.encode(), mtime=0)))

    @classmethod
    def read(cls, path: str | Path) -> "ImageList":
        """Raises OSError, EOFError, ValueError or TypeError for a file that is missing or damaged."""
        return cls(**json.loads(gzip.decompress(Path(path).read_bytes())))


@dataclass(eq=False)
class ClassificationRecord:
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

    @property
    def file_name(self) -> str:
        """Checkpoint, scheme and a hash of what was done: the same evaluation replaces its own file and no other."""
        how = [self.epoch, self.step, self.network, self.padding, self.precision, self.data]
        digest = hashlib.sha1(json.dumps(how, sort_keys=True).encode()).hexdigest()
        return f"{Path(self.checkpoint).stem}-{self.padding_at_test}-{digest[:8]}.json"

    def write(self, folder: str | Path) -> Path:
        """Writes it as JSON into `folder` under its own name, atomically; returns the file."""
        content = {"kind": self.KIND, **vars(self), "predicted": pack(self.predicted)}
        path = Path(folder) / self.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(content, separators=(",", ":")) + "\n")
        return path

    @classmethod
    def of(cls, content: dict[str, Any]) -> "ClassificationRecord":
        """From parsed JSON without its `kind`. Raises ValueError, KeyError or TypeError if it is damaged."""
        record = cls(**{**content, "predicted": unpack(content["predicted"])})
        if len(record.predicted) != record.images:
            raise ValueError(f"{len(record.predicted)} predictions of {record.images} images")
        return record
