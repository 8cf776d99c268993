import os

import pytest
from torchvision.datasets import ImageFolder

from datamodules import DataError
from datamodules.loading import index
from datamodules.loading.index import cached, scan_classes, scan_flat
from datamodules.loading.path_table import PathTable


def contents(index):
    return [(index.path(i), int(index.targets[i])) for i in range(len(index))]


@pytest.fixture
def settled(tree, monkeypatch):
    """The training folder, last changed an hour ago: fresh folders are not cached. It counts as one of many files."""
    monkeypatch.setattr(index, "CACHED_FROM", 0)
    age(tree)
    return tree / "train"


def age(root, seconds=3600):
    for directory, _, _ in os.walk(root):
        before = os.stat(directory).st_mtime - seconds
        os.utime(directory, (before, before))


def no_scan(folder):
    raise AssertionError("scanned")


no_scan.__name__ = "scan_classes"


def test_files_and_targets_equal_imagefolders(tree, write_image):
    write_image(tree / "train" / "n00000002" / "deeper" / "still" / "a.JPG")
    write_image(tree / "train" / "n00000002" / "Z.png")
    (tree / "train" / "n00000002" / "notes.txt").write_text("no image")
    expected = ImageFolder(tree / "train")
    found = scan_classes(tree / "train")
    assert list(found.classes) == expected.classes
    assert sorted(contents(found)) == sorted(expected.samples)


def test_hidden_files_are_no_images(tree):
    (tree / "train" / "n00000001" / "._0.png").write_bytes(b"Mac")
    (tree / "train" / ".cache").mkdir()
    assert len(scan_classes(tree / "train")) == 12


def test_linked_class_folders_are_followed(tree, tmp_path):
    (tree / "val").rename(tmp_path / "elsewhere")
    (tree / "val").symlink_to(tmp_path / "elsewhere")
    assert len(scan_classes(tree / "val")) == 6


def test_empty_class_is_named(tree):
    (tree / "train" / "n00000009").mkdir()
    with pytest.raises(DataError, match=r"1 class folders hold no image: .*train/n00000009"):
        scan_classes(tree / "train")


def test_folder_without_classes_is_named(tmp_path, write_image):
    with pytest.raises(DataError, match=r"neither class folders nor images"):
        scan_classes(tmp_path)
    write_image(tmp_path / "0.png")
    with pytest.raises(DataError, match=r"no class folders \(but 1 images\)"):
        scan_classes(tmp_path)


def test_flat_scan_is_sorted_and_deep(tmp_path, write_image):
    for name in ("b.png", "a/c.png", "a.png"):
        write_image(tmp_path / name)
    index = scan_flat(tmp_path)
    assert [index.files[i] for i in range(3)] == ["a.png", "a/c.png", "b.png"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty: holds no image"):
        scan_flat(tmp_path / "empty")


def test_packed_paths_keep_any_name():
    names = ["a.png", "ä/ö.png", os.fsdecode(b"\xff\xfe.png"), ""]
    packed = PathTable.pack(names)
    assert [packed[i] for i in range(len(packed))] == names
    with pytest.raises(IndexError):
        packed[4]
    assert len(PathTable.pack([])) == 0


def test_unchanged_folder_is_read_from_the_cache(settled, tmp_path):
    first = cached(scan_classes, settled, str(tmp_path / "cache"))
    second = cached(no_scan, settled, str(tmp_path / "cache"))
    assert contents(first) == contents(second)
    assert first.classes == second.classes


@pytest.mark.parametrize("change", ["remove", "rename", "n00000001/new.png", "n00000004/0.png", "n00000001/deep/1.png"])
def test_changed_folder_is_scanned_again(change, settled, tmp_path, write_image):
    write_image(settled / "n00000001" / "deep" / "0.png")
    age(settled)
    cache = str(tmp_path / "cache")
    before = contents(cached(scan_classes, settled, cache))
    if change == "remove":
        (settled / "n00000001" / "0.png").unlink()
    elif change == "rename":
        (settled / "n00000001" / "0.png").rename(settled / "n00000001" / "renamed.png")
    else:
        write_image(settled / change)
    after = cached(scan_classes, settled, cache)
    assert contents(after) == contents(scan_classes(settled)) != before


def test_a_small_folder_is_not_cached_so_that_sizes_are_those_of_now(settled, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "CACHED_FROM", 13)
    file = settled / "n00000001" / "0.png"
    before = cached(scan_classes, settled, str(tmp_path / "cache")).sizes[0]
    file.write_bytes(file.read_bytes() + b"0")
    assert cached(scan_classes, settled, str(tmp_path / "cache")).sizes[0] == before + 1 == os.path.getsize(file)
    file.unlink()
    file.symlink_to("nowhere")
    assert scan_classes(settled).sizes[0] == -1


def test_fresh_folder_is_not_cached(tree, tmp_path):
    cached(scan_classes, tree / "train", str(tmp_path / "cache"))
    assert not (tmp_path / "cache").exists()


def test_cache_can_be_off(settled, tmp_path, monkeypatch):
    monkeypatch.setattr(index, "_write_cache", no_scan)
    assert len(cached(scan_classes, settled, False)) == 12
