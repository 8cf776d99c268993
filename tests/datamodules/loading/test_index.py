import os

import pytest
from torchvision.datasets import ImageFolder

from datamodules import DataError
from datamodules.loading.index import scan_classes, scan_flat
from datamodules.loading.path_table import PathTable


def contents(index):
    return [(index.path(i), int(index.targets[i])) for i in range(len(index))]


def test_files_and_targets_equal_imagefolders(tree, tmp_path, write_image):
    write_image(tree / "train" / "n00000002" / "deeper" / "still" / "a.JPG")
    write_image(tree / "train" / "n00000002" / "Z.png")
    (tree / "train" / "n00000002" / "notes.txt").write_text("no image")
    (tree / "train" / "n00000003").rename(tmp_path / "elsewhere")
    (tree / "train" / "n00000003").symlink_to(tmp_path / "elsewhere")
    expected = ImageFolder(tree / "train")
    found = scan_classes(tree / "train")
    assert list(found.classes) == expected.classes
    assert sorted(contents(found)) == sorted(expected.samples)
    assert found.sizes.tolist() == [os.path.getsize(path) for path, _ in contents(found)]


def test_hidden_files_are_no_images(tree):
    (tree / "train" / "n00000001" / "._0.png").write_bytes(b"Mac")
    (tree / "train" / ".cache").mkdir()
    assert len(scan_classes(tree / "train")) == 12


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
