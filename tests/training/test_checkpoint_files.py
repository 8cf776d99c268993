"""One wrong bit anywhere in a checkpoint is found before anything of the file is used."""

import errno
import os
import pickle
import random
import shutil
import zipfile

import pytest
import torch

from records.errors import UserError
from training.checkpoint_files import (
    RESUME,
    TAIL,
    AtomicCheckpointIO,
    CheckpointError,
    is_whole,
    newest_good,
    read_checkpoint,
)
from training.checks.arguments import check_checkpoint

CONTENT = dict.fromkeys(RESUME, 0) | {"state_dict": {"weight": torch.arange(64, dtype=torch.float64) + 0.1}}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "resume-0000000001.ckpt"
    AtomicCheckpointIO().save_checkpoint(CONTENT, path)
    return path


def test_every_flipped_bit_is_found(path):
    """All eight of each byte in the directory, in the record that ends it and in the checksum; elsewhere one."""
    data, draw, missed = path.read_bytes(), random.Random(0), []
    directory = zipfile.ZipFile(path).start_dir
    assert len(data) - TAIL > directory > 512
    with open(path, "rb+", buffering=0) as file:
        for place in range(len(data)):
            for bit in range(8) if place >= directory else [draw.randrange(8)]:
                os.pwrite(file.fileno(), bytes([data[place] ^ 1 << bit]), place)
                missed += [(place, bit)] if is_whole(path) else []
            os.pwrite(file.fileno(), data[place : place + 1], place)
    assert not missed
    assert is_whole(path)


def test_cut_and_extended_files_are_found(path):
    data = path.read_bytes()
    for length in (*range(0, len(data), 7), *range(len(data) - TAIL - 30, len(data))):
        path.write_bytes(data[:length])
        assert not is_whole(path), length
    path.write_bytes(data + b"\0")
    assert not is_whole(path)
    assert not is_whole(path.with_name("absent.ckpt"))


def test_other_programs_read_the_file_and_a_copy_keeps_the_checksum(path, tmp_path):
    for mmap in (False, True):
        read = torch.load(path, weights_only=True, mmap=mmap)
        assert torch.equal(read["state_dict"]["weight"], CONTENT["state_dict"]["weight"])
    assert zipfile.ZipFile(path).testzip() is None
    assert is_whole(shutil.copy(path, tmp_path / "copy.ckpt"))
    assert AtomicCheckpointIO().load_checkpoint(path).keys() == CONTENT.keys()
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="is damaged"):
        AtomicCheckpointIO().load_checkpoint(path)


def test_bare_weights_are_handed_over_as_strategies_that_spawn_do(tmp_path):
    save(CONTENT["state_dict"], tmp_path / "weights.ckpt")
    assert AtomicCheckpointIO().load_checkpoint(tmp_path / "weights.ckpt").keys() == {"weight"}


def test_files_of_earlier_versions_are_read_and_flips_in_their_tensors_found(tmp_path):
    path = tmp_path / "resume-0000000001.ckpt"
    torch.save(CONTENT, path)
    data = path.read_bytes()
    assert newest_good(tmp_path, set_bad_aside=False) == (path, [])
    start = data.index(CONTENT["state_dict"]["weight"].numpy().tobytes())
    for place in range(0, len(data), 5):
        path.write_bytes(data[:place] + bytes([data[place] ^ 8]) + data[place + 1 :])
        found = newest_good(tmp_path, set_bad_aside=False)[0]  # headers make errors of many kinds
        assert not (found and start <= place < start + 512), place


class Malicious:
    def __reduce__(self):
        return os.system, ("touch executed",)


BAD = {
    "an empty file": (lambda path: path.write_bytes(b""), "is damaged or no checkpoint"),
    "text": (lambda path: path.write_text("weights"), "is damaged or no checkpoint"),
    "a pickle": (lambda path: path.write_bytes(pickle.dumps(Malicious())), "is damaged or no checkpoint"),
    "a bare tensor": (lambda path: torch.save(torch.ones(3), path), "is no checkpoint of a run: it has no state_dict"),
    "other weights": (
        lambda path: torch.save({"fc.weight": torch.ones(3)}, path),
        "is no checkpoint of a run: it has no epoch, global_step, state_dict",
    ),
    "code": (
        lambda path: save({**CONTENT, "epoch": Malicious()}, path),
        "cannot be loaded: torch refuses the object (posix|nt).system in it",
    ),
    "no file": (lambda path: None, "cannot be read: No such file"),
}


def save(content, path):
    AtomicCheckpointIO().save_checkpoint(content, path)


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_checkpoint_is_named_in_a_line_and_not_executed(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, message = BAD[name]
    make(tmp_path / "best.ckpt")
    with pytest.raises(CheckpointError, match=rf"best\.ckpt {message}") as error:
        read_checkpoint(tmp_path / "best.ckpt")
    assert "\n" not in str(error.value)
    assert "weights_only" not in str(error.value)
    assert not (tmp_path / "executed").exists()


def test_a_resume_takes_the_newest_file_that_can_be_loaded(path, tmp_path):
    """The others are kept beside it, and none of them replaces an earlier one."""
    (tmp_path / "resume-0000000004.ckpt.bad").write_text("earlier")
    save({**CONTENT, "loops": Malicious()}, tmp_path / "resume-0000000002.ckpt")
    save({"state_dict": {}, "epoch": 1, "global_step": 3}, tmp_path / "resume-0000000003.ckpt")
    (tmp_path / "resume-0000000004.ckpt").write_bytes(path.read_bytes()[:-1])
    found, lines = newest_good(tmp_path, set_bad_aside=True)
    assert found == path
    assert [line.rpartition("; ")[2] for line in lines] == [
        "set aside as resume-0000000004.ckpt.2.bad",
        "set aside as resume-0000000003.ckpt.bad",
        "set aside as resume-0000000002.ckpt.bad",
    ]
    assert (tmp_path / "resume-0000000004.ckpt.bad").read_text() == "earlier"


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE], ids=errno.errorcode.get)
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_what_the_system_does_not_let_be_read_is_no_damage(path, tmp_path, calls, number, monkeypatch):
    """Whether the file is opened first, checked or loaded."""
    left, real = calls, open

    def refuse(file, *arguments, **how):
        nonlocal left
        if str(file) == str(path):
            left -= 1
            if left < 0:
                raise OSError(number, os.strerror(number))
        return real(file, *arguments, **how)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=f"cannot be read: {os.strerror(number)}"):
        newest_good(tmp_path, set_bad_aside=True)
    assert path.exists()


def test_encoder_weights_with_a_wrong_bit_are_not_trained_from(path):
    check_checkpoint("fit", None, {"encoder_weights": str(path)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"model\.encoder_weights: .*0001\.ckpt is damaged"):
        check_checkpoint("fit", None, {"encoder_weights": str(path)})
