"""Many short strings in one array."""

import os
from collections.abc import Iterable

import numpy as np


class PathTable:
    """An immutable sequence of relative paths in one byte array, each terminated by a NUL.

    A list of 1.28 million `str` is copied into each worker sooner or later: reading a `str` writes its reference count,
    which unshares the memory page after a fork. Reading an array writes nothing.
    """

    def __init__(self, data: np.ndarray):
        self.data = data
        self.ends = np.flatnonzero(data == 0)
        if len(data) and data[-1] != 0:
            raise ValueError("packed paths must end with a NUL")

    @classmethod
    def pack(cls, paths: Iterable[str]) -> "PathTable":
        return cls(np.frombuffer(b"".join(os.fsencode(path) + b"\0" for path in paths), dtype=np.uint8))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = self.ends[index - 1] + 1 if index else 0
        return os.fsdecode(self.data[start : self.ends[index]].tobytes())
