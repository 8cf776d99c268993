"""What `test` found out about a segmentation network: confusion matrices, from which every table is computed anew."""

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from records.atomic import write_text

REGULAR = "regular"
"""The way of predicting that takes the whole image at once; the others are `tiled_OVERLAP`, such as `tiled_1-3`."""


class EvaluationFileError(ValueError):
    """A file of evaluation results that is damaged; the message names it."""


class OtherKindError(EvaluationFileError):
    """A whole file, but of a classifier or of activation maps: see records.evaluations."""


@dataclass
class EvaluationRecord:
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

    def write(self, path: str | Path) -> None:
        """Writes it as JSON, atomically."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(dataclasses.asdict(self), separators=(",", ":")) + "\n")

    @classmethod
    def read(cls, path: str | Path) -> "EvaluationRecord":
        """Raises EvaluationFileError, naming the file, if it is damaged; OtherKindError if it holds something else."""
        try:
            content = json.loads(Path(path).read_text())
            if content.get("kind", cls.KIND) != cls.KIND:
                raise OtherKindError(f"{path} holds {content['kind']}, no test of a segmentation network")
            return cls.of(content)
        except OtherKindError:
            raise
        except (ValueError, TypeError, AttributeError) as error:
            raise EvaluationFileError(f"{path} is damaged: {error}") from None

    @classmethod
    def of(cls, content: dict[str, Any]) -> "EvaluationRecord":
        """From parsed JSON. Raises TypeError if it is damaged, or of another kind of network."""
        return cls(**content)
