"""Identifies a set of files independently of its folder: names, sizes, labels, and digests of a sample of contents."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from datamodules.loading import keyed
from datamodules.loading.path_table import PathTable

SAMPLE = 64
"""Number of files whose content is read at each start: 7 MB of ImageNet, 150 MB of Cityscapes."""


@dataclass(frozen=True, eq=False)
class FileSet:
    """Files that a run trains or validates on.

    Attributes:
        names: paths relative to the root.
        sizes: sizes in bytes, int64; -1 for a file that could not be read.
        sample: content digests of up to SAMPLE files, the same files at each start.
        labels: digest of labels that are not stored in these files.
    """

    names: PathTable
    sizes: np.ndarray
    sample: dict[str, str]
    labels: str

    @classmethod
    def read(
        cls, names: PathTable, sizes: np.ndarray, path: Callable[[int], str], labels: bytes | np.ndarray = b""
    ) -> "FileSet":
        """Makes the set of the files at `path(0)`, `path(1)`, ...; reads the contents of the sample."""
        chosen = keyed.permutation(len(names), "identity")[:SAMPLE].tolist()
        return cls(names, sizes, {names[i]: file_digest(path(i)) for i in sorted(chosen)}, digest_of(labels))

    @property
    def digest(self) -> str:
        return digest_of(self.names.data, self.sizes, repr(self.sample).encode(), self.labels.encode())

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for records."""
        files = dict(zip(self.names, self.sizes.tolist(), strict=True))
        return {"files": files, "sample": self.sample, "labels": self.labels}


def file_digest(path: str) -> str:
    """Digest of a file's content, 16 hex digits; "unreadable" if reading fails."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
    except OSError:
        return "unreadable"


def digest_of(*parts: bytes | np.ndarray) -> str:
    """Digest of bytes and arrays, 16 hex digits."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        digest.update(np.ascontiguousarray(part) if isinstance(part, np.ndarray) else part)
    return digest.hexdigest()
