"""What caches promise: arrays that are damaged or of another key are as good as none; changed pixels are refused."""

import errno
import os
import shutil
import time

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from datamodules import DataError
from datamodules.errors import CacheError
from datamodules.loading import cache as caches
from datamodules.loading.cache import cache_file, read_arrays, write_arrays
from tests.datamodules.support import cityscapes, imagenet, same_batches

KEY = ("1", "folder", 16)
pytestmark = pytest.mark.usefixtures("settled")


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
    plain = file.with_suffix(".plain")
    plain.touch()
    assert file.stat().st_mode == plain.stat().st_mode  # others of a group read a shared cache, too


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


# Decoded pixels.


def scenes(root, tmp_path, **options):
    return cityscapes(root, cache=str(tmp_path / "cache"), **options)


def images(root, tmp_path, **options):
    return imagenet(root, cache=str(tmp_path / "cache"), **options)


def built(data, workers=0):
    return list(data.pixel_cache.build(workers))


@pytest.mark.parametrize("options", [{}, {"fast": True}])
@pytest.mark.parametrize("workers", [0, 2])
def test_scenes_from_the_cache_are_the_decoded_ones(options, workers, street_tree, tmp_path):
    plain, cached = cityscapes(street_tree, **options), scenes(street_tree, tmp_path, **options)
    said = built(cached, workers)
    # What it said before it wrote anything is the most that the disk holds.
    number, gigabytes = len(cached.pixel_cache), float(said[0][0].split(", ")[1].split()[0])
    assert said[0][1:] == (0, number)
    assert {text for text, *_ in said[1:]} == {"decoding", "comparing checksums"}
    assert sum(file.stat().st_size for file in (tmp_path / "cache").iterdir()) <= gigabytes * 1e9 + 5e5
    for each in (plain, cached):
        each.check()
    assert same_batches(list(cached.val_dataloader()), list(plain.val_dataloader()))
    for ours, theirs in zip(cached.train_dataloader(), plain.train_dataloader(), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])
        assert ours[2:] == theirs[2:]
    # Another split by city holds the same scenes.
    scenes(street_tree, tmp_path, split=2).check()


@pytest.mark.parametrize("options", [{}, {"val_from_train": 3}, {"fast": True}])
def test_crops_from_the_cache_are_the_decoded_ones(options, sample_tree, tmp_path, monkeypatch):
    plain, cached = imagenet(sample_tree, **options), images(sample_tree, tmp_path, **options)
    built(cached)
    cached.check()
    for ours, theirs in ((cached.val_set(), plain.val_set()), (cached.test_set(), plain.test_set())):
        assert ours.cache is not None
        assert len(ours) == len(theirs)
        for index in range(-1, len(ours)):
            assert torch.equal(ours[index][0], theirs[index][0])
            assert ours[index][1] == theirs[index][1]
    with pytest.raises(DataError, match="it was not made for these images, or for this transform"):
        images(sample_tree, tmp_path, eval_resize=40, **options).check("validate")
    # Another version may resize otherwise.
    monkeypatch.setattr(*((torch, "__version__") if options.get("fast") else (PIL, "__version__")), "0.1")
    with pytest.raises(DataError, match="it was not made for these images"):
        images(sample_tree, tmp_path, **options).check("validate")


def test_without_a_cache_or_with_part_of_one_nothing_is_served(streets, tmp_path, monkeypatch):
    monkeypatch.setattr(caches, "_OFTEN", 2)
    data = scenes(streets, tmp_path)
    with pytest.raises(DataError, match=r"cache: the cache of .* it was not made .*main\.py cache"):
        data.check("fit")
    steps = data.pixel_cache.build(0)
    for _ in range(4):
        next(steps)
    with pytest.raises(DataError, match="23 of 25 images are not in it"):  # what a kill would leave
        scenes(streets, tmp_path).check("fit")
    steps.close()  # as Ctrl-C does
    with pytest.raises(
        DataError, match=rf"{len(data.pixel_cache) - 3} of {len(data.pixel_cache)} images are not in it"
    ):
        scenes(streets, tmp_path).check("fit")
    assert built(scenes(streets, tmp_path))[22] == ("decoding", 22, 22)
    scenes(streets, tmp_path).check("fit")


@pytest.mark.parametrize("kind", ["leftImg8bit", "gtFine"])
def test_a_changed_file_is_refused_in_mid_run_too_and_decoded_anew(kind, streets, tmp_path):
    data = scenes(streets, tmp_path)
    built(data)
    data.check("fit")
    files = data.train_set().files
    path = files.paths(0)[kind == "gtFine"]
    old = os.stat(path)
    # Of the same size and with its time set back to the nanosecond, as `cp -p` does.
    shutil.copy2(path, f"{path}.new")
    os.replace(f"{path}.new", path)
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    with pytest.raises(DataError, match=r"leftImg8bit\.png has changed since"):
        files.load(0)
    data.on_damaged, samples = "skip", data.train_set()
    key = next((0, i) for i in range(len(samples)) if samples.file((0, i)) == files.paths(0)[0])
    with pytest.raises(DataError, match="has changed since"):  # it is not damaged
        data._samples()[key]
    with pytest.raises(DataError, match=r"1 of 25 images are not in it or have changed since: \S+leftImg8bit\.png"):
        scenes(streets, tmp_path).check("fit")
    assert [step for step in built(data) if step[0] == "decoding"] == [("decoding", 1, 1)]
    scenes(streets, tmp_path).check("fit")


@pytest.mark.parametrize("damage", ["flipped", "cut"])
def test_damage_of_the_cache_is_found(damage, streets, tmp_path):
    data = scenes(streets, tmp_path)
    built(data)
    (pixels,) = (tmp_path / "cache").glob("*.pixels")
    content = bytearray(pixels.read_bytes())
    content[len(content) // 2] ^= 1
    pixels.write_bytes(content if damage == "flipped" else content[:-1])
    with pytest.raises(DataError, match="is damaged at" if damage == "flipped" else "is of another length"):
        built(data) if damage == "flipped" else scenes(streets, tmp_path).check("fit")


def test_what_cannot_be_kept_or_decoded_is_named(streets, tmp_path, monkeypatch):
    data = scenes(streets, tmp_path)
    monkeypatch.setattr(caches.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(DataError, match=r"cache: has 0\.000 GB free, less than the cache needs"):
        built(data)
    monkeypatch.undo()
    monkeypatch.setattr(caches, "SETTLED_NS", 0)
    path = data.train_set().files.paths(0)[0]
    with open(path, "r+b") as file:
        file.truncate(200)
    for workers in (0, 1):
        with pytest.raises(DataError, match="1 of 25 images cannot be decoded"):
            built(scenes(streets, tmp_path), workers)


def test_what_cannot_be_written_ends_it_with_the_reason(streets, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(caches.np, "savez", full)
        with pytest.raises(CacheError, match=r"npz: cannot be written \(No space left"):
            built(scenes(streets, tmp_path))
    assert not list((tmp_path / "cache").glob("*.tmp"))
    real = open
    monkeypatch.setattr(caches, "open", lambda *args: full() if "r+b" in args else real(*args), raising=False)
    for workers in (0, 1):
        with pytest.raises(CacheError, match=r"pixels: cannot be written \(No space"):
            built(scenes(streets, tmp_path), workers)


def test_a_kill_leaves_no_bytes_of_another_file_as_those_of_this_one(sample_tree, tmp_path):
    shutil.copytree(sample_tree, tmp_path / "old")
    other = tmp_path / "new"
    shutil.copytree(sample_tree, other)
    first, second = sorted(str(file) for file in (other / "val").glob("*/*"))[:2]
    shutil.copy(second, first)
    link = tmp_path / "data"
    link.symlink_to("old")
    built(images(link, tmp_path))
    link.unlink()
    link.symlink_to("new")
    steps = images(link, tmp_path).pixel_cache.build(0)
    while next(steps)[0] != "decoding":
        pass
    shutil.copytree(tmp_path / "cache", tmp_path / "killed")
    steps.close()
    link.unlink()
    link.symlink_to("old")
    with pytest.raises(DataError, match="images are not in it or have changed since"):
        imagenet(link, cache=str(tmp_path / "killed")).check("validate")


def test_a_cache_that_another_process_made_meanwhile_is_taken(streets, tmp_path):
    steps = scenes(streets, tmp_path).pixel_cache.build(0)
    next(steps)
    built(scenes(streets, tmp_path))
    assert {text for text, *_ in steps} == {"comparing checksums"}


def resize(path, size):
    with Image.open(path) as image:
        image.resize(size, Image.Resampling.NEAREST).save(path)


def test_images_of_another_size_move_no_bytes_under_a_training_that_runs(streets, tmp_path):
    data = scenes(streets, tmp_path)
    built(data)
    data.check("fit")
    files = data.train_set().files
    numbers = sorted(range(len(files)), key=lambda i: files.paths(i)[0])
    for path in files.paths(numbers[0]):
        resize(path, (100, 60))
    built(scenes(streets, tmp_path))
    with pytest.raises(CacheError, match=r"cache: the cache of .* \S+\.pixels is gone or damaged"):
        files.load(numbers[-1])
    assert len(list((tmp_path / "cache").glob("*.pixels"))) == 1
    scenes(streets, tmp_path).check("fit")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_whose_size_changes_meanwhile_overwrites_no_other(workers, streets, tmp_path):
    data = scenes(streets, tmp_path)
    steps = data.pixel_cache.build(workers)
    next(steps)
    for path in data.pixel_cache.files(3):
        resize(path, (400, 300))
    with pytest.raises(CacheError, match="has changed its size meanwhile"):
        list(steps)


def test_a_file_of_this_moment_is_waited_for(streets, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(caches, "SETTLED_NS", 60_000_000_000)
    monkeypatch.setattr(caches.time, "sleep", waited.append)
    built(scenes(streets, tmp_path))
    assert all(30 < seconds <= 60 for seconds in waited)
    assert len(waited) == 25
    now, hour = time.time_ns(), 3_600_000_000_000
    assert caches.unsettled((1, now + hour, now - hour), now) == 0, "its content's time may be any"
