import hashlib
import json
import threading

import numpy as np
import pytest
from PIL import Image

from datamodules import DataError
from datamodules.samples import imagenet as sample_imagenet
from datamodules.samples.imagenet import main, make, read_marker
from datamodules.samples.objects import SHAPES, draw


def test_pixels_are_pinned():
    # The same on every machine; a change must raise sample_drawing.VERSION and PIXELS.
    digest = hashlib.sha256()
    for name in SHAPES:
        for number in (0, 7):
            digest.update(draw(name, "train", number).tobytes())
    assert digest.hexdigest() == "9e01de0a0b8a1529446d33611a2e36ccf2e084d224c39cc972ebbb9d71c4e827"


def test_files_are_the_same_each_time(sample_tree, tmp_path):
    again = make(tmp_path / "again", 6, 3)
    files = sorted(path.relative_to(sample_tree) for path in sample_tree.rglob("*") if path.is_file())
    assert len(files) == 10 * 9 + 2
    assert all((sample_tree / file).read_bytes() == (again / file).read_bytes() for file in files)


def test_marker_matches_the_files(sample_tree):
    digest = hashlib.sha256()
    for split in ("train", "val"):
        for path in sorted((sample_tree / split).rglob("*.JPEG")):
            digest.update(path.read_bytes())
    assert read_marker(sample_tree)["files"] == digest.hexdigest()


def test_odd_formats_are_in_both_splits(sample_tree):
    for split in ("train", "val"):
        kinds = set()
        for path in (sample_tree / split).rglob("*.JPEG"):
            with Image.open(path) as image:
                kinds.add((image.format, image.mode))
        assert kinds == {("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")}


def test_pictures_vary_in_size_and_differ():
    pictures = [draw("star", "train", number) for number in range(20)]
    assert len({picture.shape for picture in pictures}) > 15
    assert all(80 <= side <= 120 for picture in pictures for side in picture.shape[:2])
    assert not np.array_equal(draw("star", "val", 0)[:80, :80], pictures[0][:80, :80])


def test_complete_tree_is_kept_and_others_are_made_again(tmp_path):
    root = make(tmp_path / "tree", 1, 1)
    marker = root / "sample.json"
    before = marker.stat().st_mtime_ns
    make(root, 1, 1)
    assert marker.stat().st_mtime_ns == before
    make(root, 2, 1)
    assert len(list(root.rglob("*.JPEG"))) == 30
    marker.write_text(json.dumps({**read_marker(root), "version": 0}))
    make(root, 2, 1)
    assert read_marker(root)["version"] != 0
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_real_data_of_the_same_layout_are_never_replaced(tmp_path):
    """ImageNet's own folders are named train and val, too."""
    photograph = tmp_path / "imagenet/train/n01440764/photograph.JPEG"
    photograph.parent.mkdir(parents=True)
    (tmp_path / "imagenet/val").mkdir()
    photograph.write_bytes(b"not to be lost")
    with pytest.raises(DataError, match="not replaced"):
        make(tmp_path / "imagenet", 1, 1)
    assert photograph.read_bytes() == b"not to be lost"


def test_killed_run_leaves_nothing_under_the_name(tmp_path, monkeypatch):
    def killed(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(sample_imagenet, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "tree", 1, 1)
    assert not (tmp_path / "tree").exists()


def test_two_at_once_do_no_harm(tmp_path):
    errors = []

    def run():
        try:
            make(tmp_path / "tree", 2, 1)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert len(list((tmp_path / "tree").rglob("*.JPEG"))) == 30


def test_foreign_folder_is_not_replaced(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(DataError, match=r"holds 'thesis\.tex'"):
        make(tmp_path, 1, 1)
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_command_says_where_it_is(tmp_path, monkeypatch, capsys):
    root = tmp_path / "tree"
    monkeypatch.setattr("sys.argv", ["sample", "--root", str(root), "--train-per-class", "1", "--val-per-class", "1"])
    main()
    assert f"drawn into {root}" in capsys.readouterr().out
    main()
    assert f"sample data in {root}" in capsys.readouterr().out
