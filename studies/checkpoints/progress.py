"""Intermediate results of a long measurement in a file, so that the same command continues where it was stopped."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from records.atomic import write_atomically


@dataclass(frozen=True)
class Progress:
    """A file of intermediate results that exists until the measurement is complete.

    Attributes:
        file: path that ends with `.part`; removed at the end.
        key: plain values that decide the result; a state saved under another key is not continued.
    """

    file: Path
    key: Any

    def read(self) -> Any:
        """Returns the state that `keep` saved last, or None if there is nothing to continue."""
        try:
            content = torch.load(self.file, weights_only=True)
        # No file, or a damaged one: start from the beginning.
        except Exception:
            return None
        return content["state"] if isinstance(content, dict) and content.get("key") == self._text else None

    def keep(self, state: Any) -> None:
        """Saves a state of tensors and plain values. Raises WriteError if it cannot be written."""
        buffer = io.BytesIO()
        torch.save({"key": self._text, "state": state}, buffer)
        write_atomically(self.file, lambda file: file.write(buffer.getvalue()))

    @property
    def _text(self) -> str:
        # As JSON: option values have jsonargparse's classes (PositiveInt), which weights_only would not load.
        return json.dumps(self.key, sort_keys=True)

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)
