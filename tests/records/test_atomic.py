"""A file that cannot be written is one message, in every writer, and costs nothing that was there before."""

import contextlib
import resource
import signal
import tempfile

import pytest
import torch

from records.atomic import check_writable, write_text
from records.errors import UserError, WriteError
from training.checkpoint_files import AtomicCheckpointIO


@pytest.fixture
def full_disk():
    """Lets no file grow beyond a size in bytes: the writes then fail as on a full disk."""

    @contextlib.contextmanager
    def limited(size):
        handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)

    return limited


@pytest.mark.parametrize("limit", [0, 100, 20_000, 399_990])
@pytest.mark.parametrize("tensors", [1, 40])
def test_a_full_disk_under_a_checkpoint_is_named_instead_of_torchs_positions(tmp_path, full_disk, limit, tensors):
    path = tmp_path / "best.ckpt"
    path.write_bytes(b"old")
    content = {str(number): torch.zeros(100_000 // tensors) for number in range(tensors)}
    with full_disk(limit), pytest.raises(WriteError, match=r"best\.ckpt cannot be written: File too large; earlier"):
        AtomicCheckpointIO().save_checkpoint(content, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_text_that_does_not_fit_is_named(tmp_path, full_disk):
    with full_disk(10), pytest.raises(WriteError, match=r"rows\.csv cannot be written: File too large"):
        write_text(tmp_path / "rows.csv", 11 * "x")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_made_and_one_below_a_file_refused(tmp_path):
    write_text(tmp_path / "a/b/file", "x\udcff")  # of a file whose name is no UTF-8
    assert (tmp_path / "a/b/file").read_bytes() == b"x\xff"
    with pytest.raises(WriteError, match="Not a directory"):
        write_text(tmp_path / "a/b/file/below", "x")


def test_whether_a_folder_takes_files_is_known_before_it_is_there(tmp_path, monkeypatch):
    check_writable(tmp_path / "not/there/yet", "")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/below cannot be written: Not a directory; choose another"):
        check_writable(tmp_path / "file/below", "choose another")

    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    with pytest.raises(UserError, match="Read-only file system"):
        check_writable(tmp_path, "")
