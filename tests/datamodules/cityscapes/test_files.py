"""Which scenes a tree holds, and which of them a split trains and validates on."""

import re
import shutil

import pytest

from datamodules import DataError
from datamodules.cityscapes.files import COARSE, find_scenes
from datamodules.cityscapes.splits import (
    CITIES,
    TRAIN_CITIES,
    all_scenes,
    check_split,
    fine_scenes,
    split_cities,
)

IMAGE, LABEL = "leftImg8bit/{0}/{1}/{1}_000000_000019_leftImg8bit.png", "gtFine/{0}/{1}/{1}_000000_000019_{2}"


def names(scenes):
    return [(scene.city, scene.image.rsplit("/", 1)[1], scene.label.rsplit("/", 1)[1]) for scene in scenes]


def move(root, source, target):
    """Moves folders of images and of labels."""
    for kind in ("leftImg8bit", "gtFine"):
        (root / kind / source).rename(root / kind / target)


def remove(root, *folders):
    for kind in ("leftImg8bit", "gtFine"):
        for folder in folders:
            shutil.rmtree(root / kind / folder)


def test_archives_own_folders_hold_the_same_scenes(streets):
    fine, extra = all_scenes(streets), find_scenes(streets, "train_extra", COARSE)
    for source, target in (
        ("leftImg8bit/train_extra", "leftImg8bit_trainextra/leftImg8bit/train_extra"),
        ("leftImg8bit", "leftImg8bit_trainvaltest/leftImg8bit"),
        ("gtFine", "gtFine_trainvaltest/gtFine"),
        ("gtCoarse/train_extra", "gtCoarse/gtCoarse/train_extra"),
    ):
        (streets / target).parent.mkdir(parents=True)
        (streets / source).rename(streets / target)
    assert names(all_scenes(streets)) == names(fine)
    assert names(find_scenes(streets, "train_extra", COARSE)) == names(extra)
    assert (streets / find_scenes(streets, "val")[0].image).is_file()


def test_other_files_of_the_archives_are_left_alone(streets):
    before = find_scenes(streets, "train")
    assert [scene.city for scene in before] == list(TRAIN_CITIES)
    for name in ("gtFine_color.png", "gtFine_polygons.json"):
        (streets / LABEL.format("train", "aachen", name)).write_text("")
    (streets / "gtFine/train/aachen/._aachen_000000_000019_gtFine_labelIds.png").write_text("")
    (streets / "leftImg8bit/train/README").write_text("")
    assert find_scenes(streets, "train") == before


def test_files_without_partner_are_counted_and_named(streets):
    label = streets / LABEL.format("train", "ulm", "gtFine_labelIds.png")
    label.rename(label.with_name("ulm_000001_000019_gtFine_labelIds.png"))
    missing = f"1 of 18 files have no label file in gtFine/train: {IMAGE.format('train', 'ulm')}"
    with pytest.raises(DataError, match=re.escape(missing)):
        find_scenes(streets, "train")
    (streets / IMAGE.format("train", "ulm")).unlink()
    shutil.rmtree(streets / "leftImg8bit/train/zurich")
    with pytest.raises(DataError, match=r"2 of 18 files have no image in leftImg8bit/train: \S+/ulm_000001"):
        find_scenes(streets, "train")


@pytest.mark.parametrize(
    ("root", "folder", "message"),
    [
        ("nowhere", "train", r"nowhere: does not exist\. Set `root`"),
        ("sample_cityscapes", "train", r"Draw it: `python -m datamodules\.samples\.cityscapes --root=/"),
        ("sample_imagenet", "train", r"Draw it: `python -m datamodules\.samples\.imagenet --root=/"),
        ("file", "train", "file: is not a folder"),
        ("empty", None, r"has no leftImg8bit/train folder; it holds nothing\. Expected leftImg8bit/"),
        ("streets", "val", "has no gtFine/val folder; it holds gtCoarse, gtFine"),
        ("streets", None, "has no gtFine/val folder"),
        ("streets", "train", r"leftImg8bit/train: holds no `\*_leftImg8bit\.png`"),
    ],
)
def test_missing_folders_are_named(root, folder, message, streets, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    shutil.rmtree(streets / "gtFine/val")
    if folder == "train":
        shutil.rmtree(streets / "leftImg8bit/train")
        (streets / "leftImg8bit/train").mkdir()
    with pytest.raises(DataError, match=message):
        all_scenes(tmp_path / root) if folder is None else find_scenes(tmp_path / root, folder)


def test_splits_are_those_of_the_paper():
    assert split_cities(0) == (TRAIN_CITIES, ("frankfurt", "lindau", "munster"))
    assert list(TRAIN_CITIES) == sorted(TRAIN_CITIES)
    # Images of these cities with fine labels; all 21 have 2975 + 500.
    images = {"monchengladbach": 94, "strasbourg": 365, "stuttgart": 196}
    assert split_cities(2)[1] == tuple(images)
    val = sum(images.values())
    # 175 epochs of whole batches of 16 make the paper's 31K iterations.
    assert (3475 - val, val, 175 * ((3475 - val) // 16)) == (2820, 655, 30800)
    assert len({city for split in range(3) for city in split_cities(split)[1]}) == 9


@pytest.mark.parametrize("split", [0, 1, 2])
def test_splits_part_the_cities(split, street_tree):
    train, val = (fine_scenes(street_tree, split, part) for part in ("train", "val"))
    assert {scene.city for scene in val} == set(split_cities(split)[1])
    assert sorted(scene.city for scene in train + val) == sorted(CITIES)


def test_scenes_of_a_city_count_wherever_they_lie(streets):
    expected = {part: names(fine_scenes(streets, 2, part)) for part in ("train", "val")}
    move(streets, "train/strasbourg", "val/strasbourg")
    move(streets, "val/lindau", "train/lindau")
    assert {part: names(fine_scenes(streets, 2, part)) for part in ("train", "val")} == expected
    assert [scene.city for scene in fine_scenes(streets, "folders", "val")] == ["frankfurt", "munster", "strasbourg"]


def test_unknown_city_points_to_folders(streets):
    move(streets, "train/ulm", "train/atlantis")
    message = r"1 cities that splits 0, 1 and 2 do not know: atlantis \(\S+/atlantis/ulm_\S+\)\. Set `split: folders`"
    with pytest.raises(DataError, match=message):
        fine_scenes(streets, 0, "train")
    assert "atlantis" in {scene.city for scene in fine_scenes(streets, "folders", "train")}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("train/ulm", r"1 images lie in another city's folder: \S+/ulm/lindau_"),
        ("train/lindau", r"holds scenes in train/ and in val/: \S+/lindau_"),
    ],
)
def test_scene_in_another_citys_folder_or_in_both_parts_is_refused(target, message, streets):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.copytree(streets / kind / "val/lindau", streets / kind / target, dirs_exist_ok=True)
    with pytest.raises(DataError, match=message):
        fine_scenes(streets, 0, "train")


def test_some_of_the_cities_will_do_as_long_as_both_parts_have_images(streets):
    remove(streets, "train/ulm", "train/jena", "val/lindau", "val/munster")
    train, val = (fine_scenes(streets, 0, part) for part in ("train", "val"))
    assert (len(train), len(val)) == (16, 1)
    remove(streets, "val")
    message = r"no image of the validation cities of split 0 \(frankfurt, lindau, munster\); it has aachen, bochum"
    with pytest.raises(DataError, match=message):
        fine_scenes(streets, 0, "val")
    assert len(fine_scenes(streets, 0, "train")) == 16


@pytest.mark.parametrize("split", [3, -1, "0", "folder", None, True])
def test_unknown_split_is_refused(split):
    with pytest.raises(DataError, match="it must be 0, 1, 2 or 'folders'"):
        check_split(split)
