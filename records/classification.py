"""Record of an evaluated classifier: its accuracy, and the predicted class of each image."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from records.checkpoint import CheckpointRecord
from records.codec import Record


@dataclass(frozen=True)
class ImageList(Record):
    """The evaluated images, in order; written to a `.json.gz`.

    Attributes:
        files: paths relative to the `image_folder` of the evaluation's record.
        targets: class of each image, as an index into `class_names`.
        class_names: names of all classes.
    """

    files: list[str]
    targets: list[int]
    class_names: list[str]

    def __post_init__(self) -> None:
        if len(self.files) != len(self.targets) or not {*self.targets} <= {*range(len(self.class_names))}:
            raise ValueError("not one class of its list for each file")


@dataclass(eq=False)
class ClassificationRecord(CheckpointRecord):
    """Result of a classifier.

    Attributes:
        images: number of images.
        acc1, acc5: top-1 and top-5 accuracy in percent; acc5 is None for five classes or fewer.
        loss: mean cross entropy in nats.
        image_folder: folder of the images at the time of the evaluation.
        image_list: name of the file beside this one that lists the images (ImageList).
        predicted: predicted class of each image (N,) int64, in the order of the list.
    """

    KIND: ClassVar[str] = "classification"

    images: int
    acc1: float
    acc5: float | None
    loss: float
    image_folder: str
    image_list: str
    predicted: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        if self.predicted.shape != (self.images,):
            raise ValueError(f"{self.predicted.size} predictions of {self.images} images")
        for name, value in (("acc1", self.acc1), ("acc5", self.acc5)):
            if value is not None and not 0 <= value <= 100:
                raise ValueError(f"{name} is {value}, no percentage")
        if Path(self.image_list).name != self.image_list:
            raise ValueError(f"image_list is {self.image_list!r}, no name of a file beside it")
