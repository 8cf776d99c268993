"""Writes checkpoint files atomically, with a checksum of every byte, and checks them before anything of them is used.

The checksum is in the comment that a zip file may end with, so a copy of the file keeps it, and `torch.load` reads the
file as any other. Earlier versions wrote no comment; for their files zip's own CRC of each part is checked, which does
not cover the directory at the end.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

import torch
from lightning_fabric.plugins import TorchCheckpointIO

from networks.initial_weights import describe_content, describe_unreadable
from records.atomic import reading, set_aside, write_atomically
from records.errors import UserError

RESUME_PATTERN = "resume-*.ckpt"
WEIGHTS = ("state_dict", "epoch", "global_step")
"""Keys that every checkpoint of a run has."""
RESUME = (*WEIGHTS, "callbacks", "loops", "lr_schedulers", "optimizer_states")
"""Keys that training needs to continue."""

END, NO_COMMENT = 22, b"\0\0"
"""Bytes of the record that ends a zip file, whose last two are the comment's length; and the length of no comment."""

LABEL = b"sha256 of all bytes before, as if without comment: "
# SHA-256, not the faster xxhash (in requirements.lock, 58,000 MB/s): 1,800 MB/s of one core (EPYC with SHA extensions)
# are more than most disks write, 0.1 s for the 200 MB of a ResNet-50, and every system has `sha256sum`.
TAIL = len(NO_COMMENT) + len(LABEL) + 2 * hashlib.sha256().digest_size
CHUNK = 1 << 20


class CheckpointError(UserError):
    """A checkpoint cannot be used; the message names the file and says why."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Lightning's checkpoint files, but written atomically, and checked when they are loaded.

    Lightning does not sync the files it writes, and a kill could leave an empty file under the final name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        write_atomically(path, lambda file: _write(checkpoint, file))

    def load_checkpoint(
        self, path: str | Path, map_location: Any = "cpu", weights_only: bool | None = None
    ) -> dict[str, Any]:
        # Without required keys: strategies that spawn processes pass bare weights through such a file.
        return read_checkpoint(path, (), map_location=map_location, weights_only=weights_only is not False)


class _Hashed:
    """Hashes a file while it is written, which works because torch.save writes from front to back."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.sha256, self.flush = file, hashlib.sha256(), file.flush

    def write(self, data: Any) -> int:
        self.sha256.update(data)
        return self.file.write(data)


def _write(checkpoint: dict[str, Any], file: IO[bytes]) -> None:
    hashed = _Hashed(file)
    torch.save(checkpoint, hashed)
    file.seek(-len(NO_COMMENT), 2)
    file.write(_tail(hashed.sha256.hexdigest()))


def _tail(digest: str) -> bytes:
    # In hexadecimal: four raw bytes of a digest could happen to look like the record that ends a zip file.
    comment = LABEL + digest.encode()
    return len(comment).to_bytes(2, "little") + comment


def is_whole(path: str | Path) -> bool:
    """Returns whether every byte of a checkpoint is as written; raises UserError as `records.atomic.reading` does."""
    try:
        with reading(path), open(path, "rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL))
            tail = file.read()
            if tail[len(NO_COMMENT) :].startswith(LABEL):
                return tail == _tail(_digest(file, size - TAIL))
            # Otherwise the file must end as one without a comment: a flipped bit in LABEL must not skip the checksum.
            if tail[-END:-16] != b"PK\5\6\0\0" or not tail.endswith(NO_COMMENT):
                return False
            with zipfile.ZipFile(file) as archive:
                return archive.testzip() is None
    # The errors that single flipped bits were seen to raise, in a header as well as in the data.
    except (OSError, EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error):
        return False


def check_whole(option: str, path: str | Path | None) -> None:
    """Raises CheckpointError if the file of weights that `option` names is damaged; only zip files have checksums."""
    path = Path(path or "").expanduser()
    if zipfile.is_zipfile(path) and not is_whole(path):
        raise CheckpointError(f"{option}: {path} is damaged: its checksum does not hold; take another one")


def _digest(file: IO[bytes], size: int) -> str:
    """SHA-256 of the first `size` bytes of a file followed by NO_COMMENT, as `_write` hashed them."""
    sha256 = hashlib.sha256()
    file.seek(0)
    while size > 0 and (chunk := file.read(min(CHUNK, size))):
        sha256.update(chunk)
        size -= len(chunk)
    sha256.update(NO_COMMENT)
    return sha256.hexdigest()


def read_checkpoint(
    path: str | Path,
    needed: Iterable[str] = WEIGHTS,
    *,
    map_location: Any = "cpu",
    weights_only: bool = True,
    **how: Any,
) -> dict[str, Any]:
    """Checks every byte of a checkpoint, then loads it.

    Args:
        needed: keys that the checkpoint must have.
        how: further arguments of torch.load, such as `mmap=True` to leave the tensors on the disk.

    Raises:
        CheckpointError: if the file is missing, damaged, or no checkpoint of a run; names the file.
        UserError: if the system cannot read the file now, which does not mean damage.
    """
    try:
        with reading(path):
            open(path, "rb").close()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror}") from None
    if not is_whole(path):
        found = describe_unreadable(path)
        reason = "its checksum does not hold" if found.startswith("is damaged") else f"it {found}"
        raise CheckpointError(f"{path} is damaged or no checkpoint: {reason}; take another one")
    try:
        with reading(path):
            content = torch.load(path, map_location=map_location, weights_only=weights_only, **how)
    except UserError:
        raise
    # Loading a pickle from elsewhere may raise any error.
    except Exception as error:
        raise CheckpointError(f"{path} cannot be loaded: {_reason(error)}; take another one") from None
    missing = sorted(set(needed) - content.keys()) if isinstance(content, dict) else needed
    if missing and isinstance(content, dict) and set(WEIGHTS) <= content.keys():
        raise CheckpointError(
            f"{path} holds weights alone: training continues from a resume-*.ckpt; --model.init_from={path} starts one"
        )
    if missing:
        raise CheckpointError(
            f"{path} is no checkpoint of a run: it has no {', '.join(missing)} (it {describe_content(content)}); take "
            "another one"
        )
    return content


def _reason(error: Exception) -> str:
    """Describes an error of torch.load in one line, without torch's long advice to trust the file."""
    text = str(error) or type(error).__name__
    found = re.search(r"nsupported.* GLOBAL (\S+)", text)
    return f"torch refuses the object {found[1]} in it" if found else text.splitlines()[0][:200]


def newest_good(folder: Path, set_bad_aside: bool) -> tuple[Path | None, list[str]]:
    """Finds the newest resume checkpoint that training can continue from, and says what is wrong with newer ones.

    Args:
        folder: folder of the run's checkpoints.
        set_bad_aside: rename the unusable ones to `*.bad`; only one process should.

    Raises:
        UserError: if the system cannot read a checkpoint now.
    """
    bad = []
    for path in sorted(folder.glob(RESUME_PATTERN), reverse=True):
        try:
            read_checkpoint(path, RESUME, mmap=True)
        except CheckpointError as error:
            line = f"{error}".removesuffix("; take another one")
            bad.append(f"{line}; set aside as {set_aside(path).name}" if set_bad_aside else line)
        else:
            return path, bad
    return None, bad
