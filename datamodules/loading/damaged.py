"""Notes of images that were skipped, or decoded by Pillow under `fast`, written by the process that met them."""

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from datamodules.errors import CacheError, DataError

NOTES, BY_PILLOW = ".skipped-*.jsonl", ".pillow-*.jsonl"
"""File names of the notes: skipped images, and images that only Pillow can decode."""


def note(folder: Path | None, notes: str, path: str, why: str) -> None:
    """Appends an image to the notes of this process in a run folder."""
    if folder is not None and folder.is_dir():
        with open(folder / notes.replace("*", f"{socket.gethostname()}-{os.getpid()}"), "a") as file:
            file.write(json.dumps([path, why]) + "\n")


@dataclass(eq=False)
class SkipDamaged(Dataset):
    """A training set that replaces an image that cannot be used by the next index of the epoch.

    A sample stays a function of (seed, epoch, index) and the files, so it does not depend on workers or resumes.

    Args:
        samples: the training set, for keys (epoch, index).
        most: damaged images after which a process stops.
        folder: run folder for the notes, a file for each process; None for no notes.
    """

    samples: Any
    most: int
    folder: Path | None
    _met: set[str] = field(default_factory=set, init=False)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple:
        epoch, index = key
        for number in range(len(self)):
            found = (epoch, (index + number) % len(self))
            try:
                return self.samples[found]
            except CacheError:
                raise
            except DataError as error:
                self._note(self.samples.file(found), error)
                last = str(error)
        raise DataError(f"no training image can be used; the last: {last}")

    def file(self, key: tuple[int, int]) -> str:
        """The file of a sample, also of a damaged one."""
        return self.samples.file(key)

    def _note(self, path: str, error: DataError) -> None:
        if path in self._met:
            return
        self._met.add(path)
        note(self.folder, NOTES, path, str(error))
        if len(self._met) > self.most:
            raise too_many(len(self._met), self.most) from error


def too_many(number: int, most: int) -> DataError:
    """The error for more damaged images than `max_skipped` allows."""
    return DataError(
        f"{number} training images are damaged, more than `max_skipped` {most}",
        todo="Restore them from the archive, or raise data.max_skipped.",
    )


def read_notes(folder: Path, notes: str = NOTES) -> dict[str, str]:
    """Reads all notes in `folder`: path of the image to the reason."""
    found = {}
    for file in sorted(folder.glob(notes)):
        # A kill may have truncated the last line; that image will be met again.
        for line in file.read_text().split("\n")[:-1]:
            path, why = json.loads(line)
            found[path] = why
    return found
