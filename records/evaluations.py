"""Everything in a run folder's `evaluations/`, by kind: classifiers, segmentation networks, activation maps."""

import json
from pathlib import Path
from typing import Any, Protocol, TypeVar

from records.evaluation import EvaluationRecord
from records.run_folder import RunFolder


class Record(Protocol):
    KIND: str

    @classmethod
    def of(cls, content: dict[str, Any]) -> "Record": ...


R = TypeVar("R", bound=Record)


def read_evaluations(folder: RunFolder, kind: type[R]) -> tuple[dict[Path, R], list[str]]:
    """The records of one kind by their file, oldest first, and a message for each file that is damaged.

    A file without a kind is from `test` of a segmentation network.
    """
    found, damaged = {}, []
    for path in sorted(folder.evaluations.glob("*.json"), key=lambda path: (path.stat().st_mtime_ns, path)):
        try:
            content = json.loads(path.read_text())
            if content.pop("kind", EvaluationRecord.KIND) == kind.KIND:
                found[path] = kind.of(content)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            damaged.append(f"{path} is damaged: {error}")
    return found, damaged
