"""What the cache of centroids promises: a file that is damaged, or of another key, is as good as none."""

import numpy as np
import pytest

from datamodules.cityscapes.centroids import read_arrays, write_arrays
from datamodules.loading.check import cache_file

KEY = ("1", "folder", 16)


def content(stored):
    return stored["rows"].tolist()


@pytest.fixture
def file(tmp_path):
    file = cache_file("index", str(tmp_path / "cache"), KEY)
    write_arrays(file, KEY, {"rows": np.arange(99)}, "not kept")
    return file


def test_arrays_come_back_and_nothing_else_is_left(file):
    assert read_arrays(file, KEY, content) == list(range(99))
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "flipped", "foreign", "missing", "lacking"])
def test_damaged_file_is_none(damage, file):
    whole = file.read_bytes()
    flipped = bytearray(whole)
    # Inside the values, past the header of their array.
    flipped[whole.index(b"rows.npy") + 200] ^= 1
    file.write_bytes({"cut": whole[:200], "empty": b"", "text": b"hello", "flipped": bytes(flipped)}.get(damage, whole))
    if damage == "missing":
        file.unlink()
    if damage == "foreign":
        write_arrays(file, ("2", "folder", 16), {"rows": np.arange(99)}, "not kept")
    if damage == "lacking":
        write_arrays(file, KEY, {}, "not kept")
    assert read_arrays(file, KEY, content) is None


def test_default_place_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    file = cache_file("index", True, KEY)
    assert file.parent == tmp_path / "xdg" / "convolution-padding" / "index"
    assert file != cache_file("index", True, ("2", "folder", 16))
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_file("index", True, KEY).parent == tmp_path / ".cache" / "convolution-padding" / "index"


def test_unwritable_place_only_warns(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="the list was not kept"):
        write_arrays(cache_file("index", str(tmp_path / "file"), KEY), KEY, {}, "the list was not kept")
