"""Images that are passed over, or read in another way than the rest: noted by whichever process meets them."""

import json
import os
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from datamodules.errors import CacheError, DataError

NOTES, BY_PILLOW = ".skipped-*.jsonl", ".pillow-*.jsonl"
"""Files of the notes: of damaged images, and of those that only Pillow can read."""


def note(folder: Path | None, notes: str, path: str, why: str) -> None:
    """Notes an image in this process's file of a run's folder."""
    if folder is not None and folder.is_dir():
        with open(folder / notes.replace("*", f"{socket.gethostname()}-{os.getpid()}"), "a") as file:
            file.write(json.dumps([path, why]) + "\n")


@dataclass(eq=False)
class SkipDamaged(Dataset):
    """A training set in which the next index of the epoch stands for an image that cannot be used.

    A sample stays a function of (seed, epoch, index) and the files, so workers, processes and resumes change nothing.

    Args:
        samples: the training set, for keys (epoch, index).
        most: damaged images that one process may meet before it stops.
        folder: where they are noted, a file for each process; None notes them nowhere.
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
        """The file of a sample, whether it is damaged or not."""
        return self.samples.file(key)

    def _note(self, path: str, error: DataError) -> None:
        if path in self._met:
            return
        self._met.add(path)
        note(self.folder, NOTES, path, str(error))
        if len(self._met) > self.most:
            raise too_many(len(self._met), self.most) from error


def too_many(number: int, most: int) -> DataError:
    """What to raise for more damaged images than are allowed."""
    return DataError(
        f"{number} training images are damaged, more than `max_skipped` {most}",
        todo="Restore them from the archive, or raise data.max_skipped.",
    )


def read_notes(folder: Path, notes: str = NOTES) -> dict[str, str]:
    """Path to reason of the images that processes noted in `folder`."""
    found = {}
    for file in sorted(folder.glob(notes)):
        # A kill may have cut off the last line; its image is met again.
        for line in file.read_text().split("\n")[:-1]:
            path, why = json.loads(line)
            found[path] = why
    return found
