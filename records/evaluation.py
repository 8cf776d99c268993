"""Record of `test` of a segmentation network: confusion matrices, from which every table can be computed."""

import dataclasses
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from records.checkpoint import ActivationRecord, CheckpointRecord, MeasureRecord
from records.classification import ClassificationRecord
from records.codec import Record, read_json
from records.errors import RecordError
from records.run_folder import RunFolder
from records.validation import ValidationRecord

REGULAR = "regular"
"""The prediction mode that takes the whole image at once; the others are `tiled_OVERLAP`, such as `tiled_1-3`."""


def overlap(mode: str) -> Fraction:
    """Overlap of a mode: 1/3 for `tiled_1-3`, 0 for REGULAR. Raises ValueError or ZeroDivisionError for other words."""
    return Fraction(0) if mode == REGULAR else Fraction(mode.removeprefix("tiled_").replace("-", "/"))


@dataclass
class EvaluationRecord(CheckpointRecord):
    """Result of `test` of a segmentation network.

    Attributes:
        dilation: stride and dilation of the network's convolutions, as a short text.
        images: number of tested images, without those that have ignored pixels only.
        class_names: names of the classes in the order of the confusion matrices.
        leave_out: increasing proportions of the left-out centre that bound the bands, as text (`1/3`).
        border_scope: region whose centre is left out: "image" or "tile".
        distance_edges: upper ends of the distance bins, in pixels.
        tile_size: side of the tiles in pixels; None for the shorter side of each image.
        average: quantity that was averaged where tiles overlap.
        confusion: prediction mode to counts [band][distance bin][target][prediction].
    """

    KIND: ClassVar[str] = "segmentation"

    dilation: str
    images: int
    class_names: list[str]
    leave_out: list[str]
    border_scope: str
    distance_edges: list[int]
    tile_size: int | None
    average: str
    confusion: dict[str, list] = field(repr=False)

    def __post_init__(self) -> None:
        for values in (list(map(Fraction, self.leave_out)), [0, *self.distance_edges]):
            if values != sorted(set(values)):
                raise ValueError("its proportions or distances do not rise")
        classes = len(self.class_names)
        expected = (len(self.leave_out) + 1, len(self.distance_edges) + 1, classes, classes)
        for mode, counts in self.confusion.items():
            overlap(mode)
            if (found := np.asarray(counts, dtype=np.int64).shape) != expected:
                raise ValueError(f"its counts of {mode} have the shape {found}, and its settings ask for {expected}")
        if REGULAR not in self.confusion:
            raise ValueError(f"it has no counts of {REGULAR}")

    @property
    def settings(self) -> Any:
        how = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        # Neither the time and place of a test nor its counts identify it; a repeated test replaces its own file.
        del how["provenance"]
        return {**how, "confusion": sorted(self.confusion)}


_ALL = (EvaluationRecord, ClassificationRecord, ValidationRecord, ActivationRecord, MeasureRecord)
KINDS = {kind.KIND: kind for kind in _ALL}
"""The kinds of records in a run folder's `evaluations/`, by name."""


def read_evaluations(folder: RunFolder) -> tuple[dict[Path, Record], dict[Path, str]]:
    """Reads the records in a run folder's `evaluations/`.

    Returns:
        The records by file, oldest first, and what is wrong with each file that could not be read.
    """
    found, unusable = {}, {}
    for path in sorted(folder.evaluations.glob("*.json"), key=lambda path: (path.lstat().st_mtime_ns, path)):
        try:
            content = read_json(path)
            # Early versions wrote records of segmentation networks only, without a kind.
            kind = KINDS.get(str(content.get("kind", EvaluationRecord.KIND)))
            if kind is None:
                unusable[path] = f"holds a record of kind {content['kind']!r}, which no study reads"
            else:
                found[path] = kind.of(content, path)
        except RecordError as error:
            unusable[path] = str(error).removeprefix(f"{path} ")
        except OSError as error:
            unusable[path] = f"cannot be read: {error.strerror}"
    return found, unusable
