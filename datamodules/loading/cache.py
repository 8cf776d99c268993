"""Caches on disk: arrays computed from files (.npz), and decoded pixels. Entries of changed files are never used.

A file counts as unchanged while its size, its mtime and its ctime are the same.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TypeVar

import numpy as np

from datamodules.errors import CacheError, DataError, named, some
from datamodules.loading.workers import map_in_workers

_T = TypeVar("_T")

# Raise it when the same files would give other cached pixels.
_FORMAT = "1"
_ARRAYS = ("sizes", "starts", "stamps", "sums")
# Images between two writes of the index: a killed process loses no more work than that.
_OFTEN = 200
# Bytes of the index beside its arrays.
_OVERHEAD = 4096

_writing = partial(named, "cannot be written", todo="Choose another `data.cache`.", kind=CacheError)

# A file that changed within the last 2 s may change again without a new time stamp: file systems tick coarsely.
SETTLED_NS = 2_000_000_000

# Size in bytes, mtime and ctime in ns. The ctime also shows a file that was replaced by one with an old mtime, as
# `cp -p` and `tar` do.
Stamp = tuple[int, int, int]


def stamp(file: Path | str) -> Stamp:
    """Size, mtime and ctime of a file; raises DataError if it cannot be read."""
    with named("cannot be read", file):
        status = os.stat(file)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


def unsettled(stamp: Stamp, moment: int) -> int:
    """How many ns after `moment` (in ns) the file may still change without a new stamp; 0 if its stamp is final.

    Uses the ctime, which only the system sets. The mtime can be any time, even a future one.
    """
    return min(max(SETTLED_NS - (moment - stamp[2]), 0), SETTLED_NS)


def cache_file(kind: str, cache: bool | str, key: tuple) -> Path:
    """The cache file of a key; `cache` is True for the default folder, or another folder.

    The default is `$XDG_CACHE_HOME/convolution-padding/KIND`, because the data may be read-only and may be shared.
    """
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "convolution-padding" / kind
    folder = default if cache is True else Path(cache).expanduser()
    return folder / f"{hashlib.blake2b(repr(key).encode(), digest_size=16).hexdigest()}.npz"


@contextlib.contextmanager
def one_at_a_time(file: Path) -> Iterator[None]:
    """Holds a lock that the system releases when the process ends; does nothing where the file system has no locks."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(open(file.with_suffix(".lock"), "w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read_arrays(file: Path, key: tuple, build: Callable[[dict[str, np.ndarray]], _T]) -> _T | None:
    """Loads the arrays of a file and returns `build(arrays)`; None if it is missing, damaged, or has another key."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            stored = {name: archive[name] for name in archive.files}
        return build(stored) if str(stored["key"]) == repr(key) else None
    # NumPy and zipfile raise many kinds of errors on damaged archives; for all of them the arrays are computed again.
    except Exception:
        return None


def write_arrays(file: Path, key: tuple, arrays: Mapping[str, np.ndarray], complaint: str) -> None:
    """Writes an .npz file atomically; if that fails, warns with `complaint` and goes on."""
    try:
        _replace(file, key, arrays)
    except OSError as error:
        warnings.warn(f"{complaint}: {error}", stacklevel=3)


def _replace(file: Path, key: tuple, arrays: Mapping[str, np.ndarray]) -> None:
    with replacing(file) as stream:
        np.savez(stream, key=np.array(repr(key)), **arrays)


@contextlib.contextmanager
def replacing(file: Path) -> Iterator[IO[bytes]]:
    """A stream into a temporary file, renamed to `file` at the end; raises OSError if that fails."""
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its mode 0600 would keep other users of a shared cache from reading the file.
    temporary = file.with_name(f"{file.stem}-{uuid.uuid4().hex}.tmp")
    try:
        with open(temporary, "xb") as stream:
            yield stream
        os.replace(temporary, file)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


@dataclass(eq=False)
class PixelCache:
    """Decoded images, one after another in one memory-mapped file, so that reading a crop costs a copy.

    `build` writes the cache, training only reads it. `build` compares each image's checksum with the bytes on disk, and
    every read compares the stamps of the image's files, so pixels of a changed file are never returned.

    Args:
        folder: of all caches; each has two files in it, KEY-LAYOUT.pixels and KEY.npz.
        key: everything besides the files that decides the pixels, such as the transform.
        names: names of the images.
        files: maps the number of an image to the paths it is decoded from; the same count for each image.
        decode: maps the number of an image to its bytes, uint8 (height * width * channels,).
        size: maps the number of an image to its (height, width), without decoding it.
        channels: bytes per pixel.
    """

    folder: Path
    key: tuple
    names: Sequence[str]
    files: Callable[[int], tuple[str, ...]]
    decode: Callable[[int], np.ndarray]
    size: Callable[[int], tuple[int, int]]
    channels: int
    _index: dict[str, np.ndarray] | None = field(default=None, init=False)
    _pixels: Path = field(default=Path(), init=False)

    def __post_init__(self):
        names = hashlib.blake2b("\0".join(self.names).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
        self.key = (_FORMAT, *self.key, self.channels, names)
        self._file = cache_file("pixels", str(self.folder), self.key)

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, number: int) -> tuple[np.ndarray, tuple[int, int]]:
        """The bytes of an image, memory-mapped, and its (height, width).

        Raises:
            CacheError: there is no such cache, or a file of the image changed after it was cached.
        """
        index = self._read()
        if index["stamps"][number].tolist() != self._stamps(number):
            raise self._refused(f"{self.names[number]} has changed since")
        start, height, width = int(index["starts"][number]), *index["sizes"][number].tolist()
        try:
            # Opened for each image, so that no open file has to reach the workers, which may be spawned.
            pixels = np.memmap(self._pixels, np.uint8, "r", start, height * width * self.channels)
        # memmap raises ValueError on a truncated file.
        except (OSError, ValueError) as error:
            raise self._refused(f"{self._pixels} is gone or damaged ({error})") from error
        return pixels, (height, width)

    def check(self) -> None:
        """Raises CacheError unless every image is in the cache and none of their files has changed since."""
        stamps = self._read()["stamps"].tolist()
        if stale := [name for i, name in enumerate(self.names) if stamps[i] != self._stamps(i)]:
            raise self._refused(
                f"{len(stale)} of {len(self)} images are not in it or have changed since: {some(stale)}"
            )

    def build(self, num_workers: int) -> Iterator[tuple[str, int, int]]:
        """Decodes images that are missing or have changed, then compares all checksums.

        Yields:
            (what is done, count so far, count in all). The first item comes before anything is written and says how
            many bytes the cache takes on disk, which it never exceeds.

        Raises:
            DataError: an image cannot be decoded, the disk is too small, or it does not return what was written.
        """
        sizes = np.array([self.size(number) for number in range(len(self))], dtype=np.int64)
        ends, width = np.cumsum(sizes.prod(axis=1) * self.channels), len(self._stamps(0))
        anew = {"sizes": sizes, "starts": np.r_[0, ends[:-1]], "sums": np.zeros(len(self), np.int64)}
        anew["stamps"] = np.zeros((len(self), width), np.int64)
        total = int(ends[-1]) + sum(array.nbytes for array in anew.values()) + _OVERHEAD
        yield f"{len(self)} images, {total / 1e9:.3f} GB in {self.folder}", 0, len(self)
        with one_at_a_time(self._file):
            # Loaded under the lock: another process may have built the cache meanwhile.
            index = self._load()
            index = anew if index is None or not np.array_equal(index["sizes"], sizes) else index
            self._index, self._pixels = index, self._pixels_of(index)
            if wanted := [i for i, known in enumerate(index["stamps"].tolist()) if known != self._stamps(i)]:
                yield from self._decode(index, wanted, num_workers, total)
        for number in range(len(self)):
            if zlib.crc32(self[number][0]) != index["sums"][number]:
                raise self._refused(f"{self._pixels} is damaged at {self.names[number]}; remove it")
            yield "comparing checksums", number + 1, len(self)

    def _decode(
        self, index: dict[str, np.ndarray], wanted: list[int], num_workers: int, total: int
    ) -> Iterator[tuple[str, int, int]]:
        self._reserve(index, total)
        # Cleared on disk before their bytes are overwritten: after a kill no stamp may vouch for half-written pixels.
        index["stamps"][wanted] = 0
        self._keep(index)
        errors = []
        try:
            for done, result in enumerate(
                map_in_workers(partial(self._store, index, wanted), len(wanted), num_workers)
            ):
                if isinstance(result, CacheError):
                    raise result
                if isinstance(result, DataError):
                    errors.append(result)
                else:
                    index["stamps"][wanted[done]], index["sums"][wanted[done]] = result
                if (done + 1) % _OFTEN == 0:
                    self._keep(index)
                yield "decoding", done + 1, len(wanted)
        finally:
            # After Ctrl-C, too, so that the next call continues here.
            self._keep(index)
        if errors:
            raise DataError(f"{len(errors)} of {len(self)} images cannot be decoded. {some(errors, 3)}")

    def _store(self, index: dict[str, np.ndarray], wanted: list[int], place: int) -> tuple[list[int], int]:
        """Decodes an image into the file; returns the stamps taken before decoding, and the checksum."""
        number = wanted[place]
        time.sleep(max(unsettled(stamp(file), time.time_ns()) for file in self.files(number)) / 1e9)
        stamps, pixels = self._stamps(number), np.ascontiguousarray(self.decode(number))
        if len(pixels) != index["sizes"][number].prod() * self.channels:
            # Its bytes would overwrite those of the next image.
            raise self._refused(f"{self.names[number]} has changed its size meanwhile")
        with _writing(self._pixels), open(self._pixels, "r+b") as file:
            file.seek(int(index["starts"][number]))
            file.write(pixels)
        return stamps, zlib.crc32(pixels)

    def _stamps(self, number: int) -> list[int]:
        return [value for file in self.files(number) for value in stamp(file)]

    def _reserve(self, index: dict[str, np.ndarray], total: int) -> None:
        """Extends the pixel file to its final length and removes pixel files of other layouts."""
        with _writing(self._pixels):
            self.folder.mkdir(parents=True, exist_ok=True)
            for file in self.folder.glob(f"{self._file.stem}*.pixels"):
                if file != self._pixels:
                    file.unlink()
            there = self._pixels.stat().st_blocks * 512 if self._pixels.exists() else 0
            if (free := shutil.disk_usage(self.folder).free) < total - there:
                raise DataError(f"has {free / 1e9:.3f} GB free, less than the cache needs", where=self.folder)
            with open(self._pixels, "ab") as file:
                file.truncate(self._length(index))

    def _keep(self, index: dict[str, np.ndarray]) -> None:
        with _writing(self._file), open(self._pixels, "rb") as file:
            os.fsync(file.fileno())
            _replace(self._file, self.key, index)

    def _load(self) -> dict[str, np.ndarray] | None:
        index = read_arrays(self._file, self.key, lambda stored: {name: stored[name] for name in _ARRAYS})
        whole = index and len(index["sizes"]) == len(self) and self._pixels_of(index).exists()
        return index if whole else None

    def _read(self) -> dict[str, np.ndarray]:
        if self._index is None and (index := self._load()):
            self._pixels = self._pixels_of(index)
            if self._pixels.stat().st_size != self._length(index):
                raise self._refused(f"{self._pixels} is of another length than it was; remove it")
            self._index = index
        if self._index is None:
            raise self._refused("it was not made for these images, or for this transform of them")
        return self._index

    def _pixels_of(self, index: dict[str, np.ndarray]) -> Path:
        """Named by a digest of the layout, so that a running training never reads the pixels of another layout."""
        layout = hashlib.blake2b(index["sizes"].tobytes(), digest_size=8).hexdigest()
        return self._file.with_name(f"{self._file.stem}-{layout}.pixels")

    def _length(self, index: dict[str, np.ndarray]) -> int:
        return int(index["starts"][-1] + index["sizes"][-1].prod() * self.channels)

    def _refused(self, why: str) -> CacheError:
        return CacheError(
            f"the cache of decoded images cannot be used: {why}",
            where=self.folder,
            todo="Make it anew with `python main.py cache CONFIG` and the options of `fit`, or say --data.cache=null.",
        )
