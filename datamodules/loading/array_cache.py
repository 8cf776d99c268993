"""Arrays kept between runs, in a file for each key. A cache that is broken or cannot be written never stops a run."""

import contextlib
import hashlib
import os
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")

# A file or folder changed so recently may change again within one tick of its clock, so it is not cached yet.
SETTLED_NS = 2_000_000_000


def cache_file(kind: str, cache: bool | str, key: tuple) -> Path:
    """The file of a key; `cache` is True for the default folder, or a folder of your own.

    The default is `$XDG_CACHE_HOME/convolution-padding/KIND`, because the data may be read-only and may be shared.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convolution-padding" / kind
    folder = default if cache is True else Path(cache).expanduser()
    return folder / f"{hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()}.npz"


def read_arrays(file: Path, key: tuple, build: Callable[[dict[str, np.ndarray]], _T]) -> _T | None:
    """What `build` makes of the arrays of a file; None where it is missing, damaged, or of another key."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        return build(stored) if str(stored["key"]) == repr(key) else None
    # Whatever a damaged archive makes NumPy or zipfile raise, the answer is the same: make the arrays again.
    except Exception:
        return None


def write_arrays(file: Path, key: tuple, arrays: Mapping[str, np.ndarray], complaint: str) -> None:
    """Writes an .npz file under another name and renames it; where that fails, warns with `complaint` and goes on."""
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
        with os.fdopen(handle, "wb") as stream:
            np.savez(stream, key=np.array(repr(key)), **arrays)
        os.replace(temporary, file)
    except OSError as error:
        warnings.warn(f"{complaint}: {error}", stacklevel=3)
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
