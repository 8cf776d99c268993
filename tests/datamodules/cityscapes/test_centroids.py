import os
import shutil

import numpy as np
import pytest
from PIL import Image

from datamodules import DataError
from datamodules.cityscapes import centroids
from datamodules.cityscapes.centroids import centroids_of_files, class_centroids, find_centroids
from datamodules.cityscapes.labels import decode_classes
from datamodules.loading import cache

pytestmark = pytest.mark.usefixtures("settled")


def brute_force(classes, tile):
    """Pixel by pixel, in Python's own integers."""
    height, width = classes.shape
    found = set()
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            pixels = {}
            for y in range(top, min(top + tile, height)):
                for x in range(left, min(left + tile, width)):
                    pixels.setdefault(int(classes[y, x]), []).append((y, x))
            for number, places in pixels.items():
                if number != 255:
                    count = len(places)
                    found.add((number, sum(y for y, _ in places) // count, sum(x for _, x in places) // count))
    return found


@pytest.mark.parametrize(("size", "tile"), [((20, 40), 20), ((20, 40), 16), ((7, 9), 1024), ((33, 17), 8)])
def test_centroids_equal_brute_force(size, tile):
    random = np.random.default_rng(0)
    classes = random.integers(0, 19, (5, 5)).repeat(8, 0).repeat(8, 1)[: size[0], : size[1]].astype(np.uint8)
    classes[random.random(classes.shape) < 0.3] = 255
    ours = class_centroids(classes, tile)
    assert ours.dtype == np.int32
    assert len(ours) == len(set(map(tuple, ours.tolist())))
    assert set(map(tuple, ours.tolist())) == brute_force(classes, tile)


def test_ignored_image_has_no_centroid():
    assert class_centroids(np.full((8, 8), 255, dtype=np.uint8), 4).shape == (0, 3)


# Centroids of files, and their cache.


@pytest.fixture
def label_files(tmp_path):
    random = np.random.default_rng(2)
    root = tmp_path / "labels"
    root.mkdir()
    files = [f"{i}.png" for i in range(5)]
    for name in files:
        write(root / name, random.integers(0, 34, (20, 30), dtype=np.uint8))
    return root, files


def write(path, ids):
    Image.fromarray(ids).save(path, compress_level=0)


@pytest.fixture
def computed(monkeypatch):
    """Which files were decoded, a list for each time that any were."""
    calls = []
    compute = centroids.centroids_of_files
    monkeypatch.setattr(
        centroids, "centroids_of_files", lambda root, files, *rest: calls.append(files) or compute(root, files, *rest)
    )
    return calls


@pytest.fixture
def find(label_files, tmp_path):
    def find(files, root=label_files[0], tile=16):
        return find_centroids(root, files, tile, 0, str(tmp_path / "cache"))

    return find


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("workers", [0, 2])
def test_centroids_of_files_are_those_of_each_file(workers, label_files):
    root, files = label_files
    found = centroids_of_files(root, files, 16, workers)
    assert same(found, [class_centroids(decode_classes(str(root / name)), 16) for name in files])


@pytest.mark.parametrize("workers", [0, 1])
def test_bad_label_file_is_named_without_a_traceback(workers, label_files):
    root, files = label_files
    write(root / "3.png", np.full((4, 4), 200, dtype=np.uint8))
    with pytest.raises(DataError, match=r"^\S+/3\.png: holds 1 values that are no label id: 200"):
        centroids_of_files(root, files, 16, workers)


def test_cache_serves_what_was_computed_and_other_files_join_it(label_files, find, computed):
    _, files = label_files
    first, rest = find(files[:3]), find(files[2:])
    # In another order, each file still has its own.
    assert same(find(files[::-1]), (first + rest[1:])[::-1])
    assert computed == [files[:3], files[3:]]


def test_no_cache_writes_nothing(label_files, computed):
    root, files = label_files
    for _ in range(2):
        find_centroids(root, files, 16, 0, False)
    assert computed == [files, files]
    assert not os.path.exists(os.environ["XDG_CACHE_HOME"])


def test_changed_files_alone_are_computed_again(label_files, find, computed):
    root, files = label_files
    find(files)
    old = os.stat(root / "2.png")
    # The files are not compressed, so the size stays; and the time is set back to the nanosecond, as `cp -p` does.
    write(root / "2.png", np.asarray(Image.open(root / "2.png"))[::-1])
    assert os.stat(root / "2.png").st_size == old.st_size
    os.utime(root / "2.png", ns=(old.st_atime_ns, old.st_mtime_ns))
    fresh = find(files)
    assert computed == [files, ["2.png"]]
    assert same(fresh, centroids_of_files(root, files, 16, 0))


def test_cache_of_another_tile_root_or_format_is_not_taken(label_files, find, tmp_path, computed, monkeypatch):
    root, files = label_files
    # Files that only their names tell apart.
    monkeypatch.setattr(centroids, "stamp", lambda file: (1, 0, 0))
    find(files)
    assert same(find(files, tile=8), centroids_of_files(root, files, 8, 0))
    shutil.copytree(root, tmp_path / "copy")
    find(files, tmp_path / "copy")
    monkeypatch.setattr(centroids, "_FORMAT", "another")
    find(files)
    assert computed == [files] * 4


def test_file_of_this_moment_is_not_kept_and_a_missing_one_is_named(label_files, find, computed, monkeypatch):
    _, files = label_files
    monkeypatch.setattr(cache, "SETTLED_NS", 60_000_000_000)
    for _ in range(2):
        find(files)
    assert computed == [files, files]
    with pytest.raises(DataError, match=r"gone\.png: cannot be read"):
        find([*files, "gone.png"])
