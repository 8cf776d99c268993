"""What a long measurement has so far, in a file: the same command continues where it was stopped."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from records.atomic import write_atomically


@dataclass(frozen=True)
class Progress:
    """A file that is there while a measurement lasts.

    Attributes:
        file: ends with `.part`; removed at the end.
        key: what decides the result, as plain values: what was kept under another key is not continued.
    """

    file: Path
    key: Any

    def read(self) -> Any:
        """What `keep` was given last, or None where there is nothing to continue."""
        try:
            content = torch.load(self.file, weights_only=True)
        # Nothing there, or a part of a file: begin anew.
        except Exception:
            return None
        return content["state"] if isinstance(content, dict) and content.get("key") == self._text else None

    def keep(self, state: Any) -> None:
        """Keeps tensors and plain values. Raises WriteError if they cannot be written."""
        buffer = io.BytesIO()
        torch.save({"key": self._text, "state": state}, buffer)
        write_atomically(self.file, lambda file: file.write(buffer.getvalue()))

    @property
    def _text(self) -> str:
        # Options are numbers of classes that torch would not read back.
        return json.dumps(self.key, sort_keys=True)

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
