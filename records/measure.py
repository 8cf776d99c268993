"""Numbers that a study measured with the checkpoint of a run, such as accuracy by shift or by size of the image."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from records.checkpoint import CheckpointRecord


@dataclass(eq=False)
class MeasureRecord(CheckpointRecord):
    """The content of `evaluations/CHECKPOINT-SCHEME-STUDY-DIGEST.json`.

    Attributes:
        study: name of the study that measured it.
        how: its settings, as JSON values.
        images: number of images.
        values: what was measured, by name; None where the network does not run.
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
