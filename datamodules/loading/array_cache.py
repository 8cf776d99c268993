"""The folder of the caches, and an atomic writer of .npz files."""

import contextlib
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np

# A file or folder changed so recently may change again within one tick of its clock, so it is not cached yet.
SETTLED_NS = 2_000_000_000


def cache_folder(kind: str) -> Path:
    """`$XDG_CACHE_HOME/convolution-padding/KIND`: the data may be read-only, and may be shared."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convolution-padding" / kind


def write_arrays(file: Path, arrays: Mapping[str, np.ndarray], complaint: str) -> None:
    """Writes an .npz file under another name and renames it; where that fails, warns with `complaint` and goes on."""
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, **arrays)
        os.replace(temporary, file)
    except OSError as error:
        warnings.warn(f"{complaint}: {error}", stacklevel=3)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
