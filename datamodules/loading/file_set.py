"""What a set of files is, whatever folder it lies in: names, sizes, labels, and digests of content."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.errors import DataError, some
from datamodules.loading import keyed
from datamodules.loading.array_cache import cache_file
from datamodules.loading.path_table import PathTable

SAMPLE = 64
"""Files of a set whose content is read at each start: 7 MB of ImageNet's, 150 MB of Cityscapes'."""


@dataclass(frozen=True, eq=False)
class FileSet:
    """Files that a run trains or validates on.

    Attributes:
        names: paths that stay the same when the root moves.
        sizes: in bytes, int64; -1 of a file that could not be asked.
        sample: digests of the content of up to SAMPLE files, the same ones at each start.
        labels: digest of the labels that do not lie in these files.
    """

    names: PathTable
    sizes: np.ndarray
    sample: dict[str, str]
    labels: str

    @classmethod
    def read(
        cls, names: PathTable, sizes: np.ndarray, path: Callable[[int], str], labels: bytes | np.ndarray = b""
    ) -> "FileSet":
        """The set of files whose i-th one lies at `path(i)`; reads the sample."""
        chosen = keyed.permutation(len(names), "identity")[:SAMPLE].tolist()
        return cls(names, sizes, {names[i]: file_digest(path(i)) for i in sorted(chosen)}, _digest(labels))

    @property
    def digest(self) -> str:
        return _digest(self.names.data, self.sizes, repr(self.sample).encode(), self.labels.encode())

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for records."""
        names = (self.names[number] for number in range(len(self.names)))
        files = dict(zip(names, self.sizes.tolist(), strict=True))
        return {"files": files, "sample": self.sample, "labels": self.labels}


def file_digest(path: str) -> str:
    """Digest of a file's content (16 hex digits); "unreadable" if it cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError:
        return "unreadable"


def _digest(*parts: bytes | np.ndarray) -> str:
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(np.ascontiguousarray(part) if isinstance(part, np.ndarray) else part)
    return digest.hexdigest()


def compare_digests(root: Path, found: dict[str, str], file: Path | None) -> str:
    """Compares with the digests that an earlier check kept, or keeps these; says which in a line.

    So a changed file is found although it still decodes.

    Args:
        root: the data's folder.
        found: path below it to `file_digest`.
        file: where digests are kept; None is a file of this root's in the cache.

    Raises:
        DataError: files are missing, or hold something else than before.
    """
    file = file or cache_file("digests", True, (os.path.realpath(root),)).with_suffix(".json")
    if not file.exists():
        _write(file, found)
        return f"digests of {len(found)} files were kept in {file}; the next deep check compares with them"
    try:
        kept = dict(json.loads(file.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise DataError("holds no digests", where=file, todo="Remove it to begin anew.") from error
    changed = [name for name in kept if found.get(name, kept[name]) != kept[name]]
    # Of scenes without the coarse labels these are not read.
    missing = [name for name in kept.keys() - found.keys() if not (root / name).exists()]
    lines = [
        f"{len(names)} of {len(kept)} files {what} since the digests in {file} were kept: {some(sorted(names))}"
        for names, what in ((changed, "have changed"), (missing, "are gone"))
        if names
    ]
    if lines:
        raise DataError(
            "; ".join(lines), where=root, todo="Restore them from the archive, or remove that file to take these."
        )
    if new := found.keys() - kept.keys():
        _write(file, kept | found)
    return f"all {len(found) - len(new)} files are as when their digests were kept in {file}; {len(new)} are new"


def _write(file: Path, digests: dict[str, str]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=file.parent, suffix=".tmp")
        with os.fdopen(handle, "w") as stream:
            json.dump(digests, stream, indent=0)
        os.replace(temporary, file)
    except OSError as error:
        raise DataError(
            f"cannot be written ({error.strerror})", where=file, todo="Name another with --digests."
        ) from error
