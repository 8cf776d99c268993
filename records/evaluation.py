"""Result of `test` of a segmentation network: confusion matrices, from which every table is computed anew."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from records.checkpoint import CheckpointRecord
from records.codec import Record, read_json
from records.errors import RecordError
from records.run_folder import RunFolder

R = TypeVar("R", bound=Record)

REGULAR = "regular"
"""The way of predicting that takes the whole image at once; the others are `tiled_OVERLAP`, such as `tiled_1-3`."""


@dataclass
class EvaluationRecord(CheckpointRecord):
    """Result of `test` of a segmentation network.

    Attributes:
        dilation: stride and dilation of its convolutions, as a short text.
        images: number of tested images; those with ignored pixels alone are left out.
        class_names: in the order of the confusion matrices.
        leave_out: proportions of the centre that the bands stand for, rising, as text (`1/3`).
        border_scope: whose centre: "image" or "tile".
        distance_edges: of the distance bins, in pixels.
        tile_size: side of the tiles in pixels; None is the shorter side of each image.
        average: what was averaged where tiles overlap.
        confusion: for each way of predicting, counts [band][distance bin][target][prediction].
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

    @property
    def settings(self) -> Any:
        how = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del how["provenance"]
        return {**how, "confusion": sorted(self.confusion)}


def read_evaluations(folder: RunFolder, kind: type[R]) -> tuple[dict[Path, R], list[str]]:
    """The records of one kind in a run folder's `evaluations/`.

    Returns:
        Each record by its file, oldest first, and a message for each file that is damaged.
    """
    found, damaged = {}, []
    for path in sorted(folder.evaluations.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path)):
        try:
            content = read_json(path)
            # Files that `test` of a segmentation network wrote before there were others have no kind.
            if content.get("kind", EvaluationRecord.KIND) == kind.KIND:
                found[path] = kind.of(content, path)
        except (OSError, RecordError) as error:
            damaged.append(str(error))
    return found, damaged
