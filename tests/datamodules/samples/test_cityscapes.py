import io
import json

import numpy as np
import pytest
from PIL import Image

from datamodules import DataError
from datamodules.cityscapes.class_uniform import BOOST_CLASSES
from datamodules.cityscapes.labels import CLASS_NAMES, CLASS_OF_LABEL
from datamodules.samples import cityscapes as sample_cityscapes
from datamodules.samples.cityscapes import coarsened, digest, main, make, read_marker
from datamodules.samples.stored_png import encode_png
from datamodules.samples.streets import draw_street


def label_maps(root, pattern):
    return [np.asarray(Image.open(path)) for path in sorted(root.glob(pattern))]


def classes(maps):
    found = set(np.unique(CLASS_OF_LABEL[np.concatenate([labels.ravel() for labels in maps])]).tolist())
    return {CLASS_NAMES[number] for number in found - {255}}


@pytest.fixture(scope="module", params=[(1, 64, 128), (2, 64, 128)])
def tree(request, tmp_path_factory, street_tree):
    if request.param == (1, 64, 128):
        return street_tree
    return make(tmp_path_factory.mktemp("sample") / "tree", *request.param)


def test_bytes_are_pinned(street_tree):
    # The same on every machine; a change must raise street_drawing.VERSION and FILES.
    assert digest(street_tree) == read_marker(street_tree)["files"]
    assert digest(street_tree) == "4267451d149e497f461a4d959b7cb3aabd541438d3aa193a5b21e4c13592fcad"


def test_all_label_ids_occur(tree):
    maps = label_maps(tree, "gt*/*/*/*_labelIds.png")
    assert sorted(set().union(*(np.unique(labels).tolist() for labels in maps))) == list(range(34))


def test_classes_lie_where_the_rules_say(tree):
    train, val, coarse = (
        classes(label_maps(tree, f"{folder}/*/*.png")) for folder in ("gtFine/train", "gtFine/val", "gtCoarse/*")
    )
    boost = {CLASS_NAMES[number] for number in BOOST_CLASSES}
    assert coarse - train - val == {"train", "terrain"}
    assert "train" in boost
    assert "terrain" not in boost
    assert train - val == {"motorcycle"}
    assert train | coarse == set(CLASS_NAMES)


def test_fence_lies_at_the_outer_border_alone(tree):
    for pattern in ("gtFine/train", "gtFine/val", "gtCoarse/*"):
        maps = [
            CLASS_OF_LABEL[labels] == CLASS_NAMES.index("fence") for labels in label_maps(tree, f"{pattern}/*/*.png")
        ]
        assert any(fence.any() for fence in maps)
        for fence in maps:
            # Seven eighths of the width are left out of the border that the border evaluation keeps.
            margin = round(fence.shape[1] / 16)
            assert not fence[:, margin:-margin].any()


def test_images_and_labels_have_the_size_and_names_of_cityscapes(street_tree):
    images = sorted(street_tree.glob("leftImg8bit/*/*/*_leftImg8bit.png"))
    assert len(images) == 25
    for path in images:
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("RGB", (128, 64))
    path = street_tree / "gtCoarse/train_extra/augsburg/augsburg_000000_000019_gtCoarse_labelIds.png"
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("L", (128, 64))


def test_coarse_labels_are_true_where_they_say_anything():
    _, labels = draw_street("augsburg", 0, 64, 128, ("train", "terrain"))
    coarse = coarsened(labels)
    kept = coarse != 0
    assert 0.3 < kept.mean() < 0.9
    assert np.array_equal(coarse[kept], labels[kept])
    # Borders between regions are unlabeled.
    assert not ((coarse[:, 1:] != coarse[:, :-1]) & kept[:, 1:] & kept[:, :-1]).any()


def test_scenes_differ_and_repeat():
    one, same = (draw_street("aachen", 0, 64, 128, ("bus",)) for _ in range(2))
    assert np.array_equal(one[0], same[0])
    assert np.array_equal(one[1], same[1])
    for key in (("aachen", 1), ("bochum", 0)):
        assert not np.array_equal(draw_street(*key, 64, 128, ("bus",))[0], one[0])


def test_unknown_feature_is_refused():
    with pytest.raises(ValueError, match="no street has \\['tram'\\]"):
        draw_street("aachen", 0, 64, 128, ("tram",))
    with pytest.raises(ValueError, match="no room for"):
        draw_street("aachen", 0, 64, 128, ("truck", "bus", "train"))


@pytest.mark.parametrize("shape", [(1, 1), (3, 5, 3), (300, 400), (200, 301, 3)])
def test_png_comes_back_from_pillow(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    image = Image.open(io.BytesIO(encode_png(pixels)))
    image.load()
    assert np.array_equal(np.asarray(image), pixels)


def test_complete_tree_is_kept_and_others_are_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr(sample_cityscapes, "OFFICIAL_TRAIN", {"ulm": 95})
    monkeypatch.setattr(sample_cityscapes, "OFFICIAL_VAL", {"lindau": 59})
    monkeypatch.setattr(sample_cityscapes, "_COARSE_CITIES", ("augsburg",))
    root = make(tmp_path / "tree", 1, 64, 128)
    marker = root / "sample.json"
    before = marker.stat().st_mtime_ns
    make(root, 1, 64, 128)
    assert marker.stat().st_mtime_ns == before
    make(root, 2, 64, 128)
    assert len(list(root.rglob("*_leftImg8bit.png"))) == 6
    marker.write_text(json.dumps({**read_marker(root), "version": 0}))
    make(root, 2, 64, 128)
    assert read_marker(root)["version"] != 0
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


@pytest.mark.parametrize("name", ["thesis.tex", "leftImg8bit"])
def test_foreign_folder_is_not_replaced(name, tmp_path):
    # The second could be the real data.
    (tmp_path / name).write_text("years of work")
    with pytest.raises(DataError, match=rf"holds '{name}'"):
        make(tmp_path, 1, 64, 128)
    assert (tmp_path / name).read_text() == "years of work"


def test_sizes_too_small_to_draw_in_are_refused(tmp_path):
    for sizes in ((0, 64, 128), (1, 63, 128), (1, 64, 40)):
        with pytest.raises(DataError, match="cannot be drawn"):
            make(tmp_path / "tree", *sizes)


def test_command_says_where_it_is(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sample_cityscapes, "_write_tree", lambda root, *_: root.mkdir() or {"files": "others"})
    arguments = ["--root", str(tmp_path / "tree"), "--images-per-city", "1", "--height", "64", "--width", "128"]
    main(arguments)
    assert f"drawn into {tmp_path / 'tree'}" in capsys.readouterr().out
    main(arguments)
    assert f"sample data in {tmp_path / 'tree'}" in capsys.readouterr().out
    main(["--root", str(tmp_path / "default")])
    assert "warning: these files are not those of other machines" in capsys.readouterr().out
