"""What `test` found out about a segmentation network: confusion matrices, from which every table is computed anew."""

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from records.codec import Record, read_json
from records.errors import RecordError
from records.run_folder import RunFolder

R = TypeVar("R", bound=Record)

REGULAR = "regular"
"""The way of predicting that takes the whole image at once; the others are `tiled_OVERLAP`, such as `tiled_1-3`."""


@dataclass
class EvaluationRecord(Record):
    """The content of a file in a run folder's `evaluations/`.

    Attributes:
        checkpoint: its file name.
        epoch: of the checkpoint, from 0.
        step: of the checkpoint.
        network: what was tested.
        padding: the scheme it was trained with.
        padding_at_test: the scheme it was tested with.
        precision: that it was computed in, as the Trainer calls it.
        dilation: stride and dilation of its convolutions, as a short text.
        data: what it was tested on, such as the split and a digest of the files.
        images: how many of them were tested; those with ignored pixels alone are left out.
        class_names: in the order of the confusion matrices.
        leave_out: proportions of the centre that the bands stand for, rising, as text (`1/3`).
        border_scope: whose centre: "image" or "tile".
        distance_edges: of the distance bins, in pixels.
        tile_size: side of the tiles in pixels; None is the shorter side of each image.
        average: what was averaged where tiles overlap.
        confusion: for each way of predicting, counts [band][distance bin][target][prediction].
        provenance: versions, commit, host, command.
    """

    KIND: ClassVar[str] = "segmentation"

    checkpoint: str
    epoch: int
    step: int
    network: str
    padding: str
    padding_at_test: str
    precision: str
    dilation: str
    data: dict[str, Any]
    images: int
    class_names: list[str]
    leave_out: list[str]
    border_scope: str
    distance_edges: list[int]
    tile_size: int | None
    average: str
    confusion: dict[str, list] = field(repr=False)
    provenance: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def file_name(self) -> str:
        """Checkpoint, scheme and a hash of all but the result: the same test replaces its own file and no other."""
        how = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del how["provenance"]
        how["confusion"] = sorted(self.confusion)
        digest = hashlib.sha1(json.dumps(how, sort_keys=True).encode()).hexdigest()
        return f"{Path(self.checkpoint).stem}-{self.padding_at_test}-{digest[:8]}.json"


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
