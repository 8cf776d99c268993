import shutil

import pytest

from datamodules import DataError
from datamodules.cityscapes.files import COARSE, find_scenes
from datamodules.cityscapes.splits import (
    CITIES,
    OFFICIAL_TRAIN,
    OFFICIAL_VAL,
    all_scenes,
    check_split,
    fine_scenes,
    missing_cities,
    split_cities,
)


def names(scenes):
    return [(scene.city, scene.image.rsplit("/", 1)[1], scene.label.rsplit("/", 1)[1]) for scene in scenes]


def test_scenes_are_pairs_of_files_that_exist(street_tree):
    scenes = find_scenes(street_tree, "train")
    assert [scene.city for scene in scenes] == sorted(OFFICIAL_TRAIN)
    for scene in scenes + find_scenes(street_tree, "train_extra", COARSE):
        assert (street_tree / scene.image).is_file()
        assert (street_tree / scene.label).is_file()
        stem = scene.image.rsplit("/", 1)[1].removesuffix("_leftImg8bit.png")
        assert scene.label.rsplit("/", 1)[1].startswith(stem + "_gt")
    assert scenes[0].image == "leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"


def test_archives_own_folders_hold_the_same_scenes(streets):
    fine, extra = all_scenes(streets), find_scenes(streets, "train_extra", COARSE)
    for archive in ("leftImg8bit_trainvaltest", "leftImg8bit_trainextra", "gtFine_trainvaltest"):
        (streets / archive).mkdir()
    (streets / "leftImg8bit_trainextra" / "leftImg8bit").mkdir()
    (streets / "leftImg8bit" / "train_extra").rename(streets / "leftImg8bit_trainextra" / "leftImg8bit" / "train_extra")
    (streets / "leftImg8bit").rename(streets / "leftImg8bit_trainvaltest" / "leftImg8bit")
    (streets / "gtFine").rename(streets / "gtFine_trainvaltest" / "gtFine")
    (streets / "gtCoarse").rename(streets / "moved")
    (streets / "gtCoarse").mkdir()
    (streets / "moved").rename(streets / "gtCoarse" / "gtCoarse")
    assert names(all_scenes(streets)) == names(fine)
    assert names(find_scenes(streets, "train_extra", COARSE)) == names(extra)
    assert (streets / find_scenes(streets, "val")[0].image).is_file()


def test_other_files_of_the_archives_are_left_alone(streets):
    before = find_scenes(streets, "train")
    folder = streets / "gtFine" / "train" / "aachen"
    for name in ("aachen_000000_000019_gtFine_color.png", "aachen_000000_000019_gtFine_polygons.json"):
        (folder / name).write_text("")
    (folder / "._aachen_000000_000019_gtFine_labelIds.png").write_text("")
    (streets / "leftImg8bit" / "train" / "README").write_text("")
    assert find_scenes(streets, "train") == before


def test_files_without_partner_are_counted_and_named(streets):
    label = streets / "gtFine" / "train" / "ulm" / "ulm_000000_000019_gtFine_labelIds.png"
    label.rename(label.with_name("ulm_000001_000019_gtFine_labelIds.png"))
    with pytest.raises(
        DataError, match=r"1 of 18 files have no label file in gtFine/train: \S+/ulm_000000_000019_leftImg8bit\.png"
    ):
        find_scenes(streets, "train")
    (streets / "leftImg8bit" / "train" / "ulm" / "ulm_000000_000019_leftImg8bit.png").unlink()
    shutil.rmtree(streets / "leftImg8bit" / "train" / "zurich")
    with pytest.raises(DataError, match=r"2 of 18 files have no image in leftImg8bit/train: \S+/ulm_000001"):
        find_scenes(streets, "train")


def test_missing_folders_are_named(streets, tmp_path):
    with pytest.raises(DataError, match=r"nowhere: does not exist\. Set `root`"):
        find_scenes(tmp_path / "nowhere", "train")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="file: is not a folder"):
        find_scenes(tmp_path / "file", "train")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has no leftImg8bit/train folder; it holds nothing\. Expected leftImg8bit/"):
        all_scenes(tmp_path / "empty")
    shutil.rmtree(streets / "gtFine" / "val")
    with pytest.raises(DataError, match=r"has no gtFine/val folder; it holds gtCoarse, gtFine"):
        find_scenes(streets, "val")
    with pytest.raises(DataError, match="has no gtFine/val folder"):
        all_scenes(streets)
    for city in (streets / "leftImg8bit" / "train").iterdir():
        shutil.rmtree(city)
    with pytest.raises(DataError, match=r"leftImg8bit/train: holds no `\*_leftImg8bit\.png`"):
        find_scenes(streets, "train")


def test_official_counts_make_the_splits_of_the_paper():
    assert (sum(OFFICIAL_TRAIN.values()), sum(OFFICIAL_VAL.values())) == (2975, 500)
    assert split_cities(0) == (tuple(sorted(OFFICIAL_TRAIN)), ("frankfurt", "lindau", "munster"))
    assert split_cities(2)[1] == ("monchengladbach", "strasbourg", "stuttgart")
    counts = {**OFFICIAL_TRAIN, **OFFICIAL_VAL}
    train, val = (sum(counts[city] for city in cities) for cities in split_cities(2))
    # 175 epochs of whole batches of 16 make the paper's 31K iterations.
    assert (train, val, 175 * (train // 16)) == (2820, 655, 30800)
    assert len({city for split in range(3) for city in split_cities(split)[1]}) == 9


@pytest.mark.parametrize("split", [0, 1, 2])
def test_splits_part_the_cities(split, street_tree):
    train, val = (fine_scenes(street_tree, split, part) for part in ("train", "val"))
    assert {scene.city for scene in val} == set(split_cities(split)[1])
    assert not {scene.city for scene in train} & {scene.city for scene in val}
    assert sorted(scene.city for scene in train + val) == sorted(CITIES)


def test_scenes_of_a_city_count_wherever_they_lie(streets):
    expected = {part: names(fine_scenes(streets, 2, part)) for part in ("train", "val")}
    for kind in ("leftImg8bit", "gtFine"):
        (streets / kind / "train" / "strasbourg").rename(streets / kind / "val" / "strasbourg")
        (streets / kind / "val" / "lindau").rename(streets / kind / "train" / "lindau")
    assert {part: names(fine_scenes(streets, 2, part)) for part in ("train", "val")} == expected
    assert [scene.city for scene in fine_scenes(streets, "folders", "val")] == ["frankfurt", "munster", "strasbourg"]


def rename_city(root, folder, old, new):
    for kind in ("leftImg8bit", "gtFine"):
        (root / kind / folder / old).rename(root / kind / folder / new)
        for file in list((root / kind / folder / new).iterdir()):
            file.rename(file.with_name(file.name.replace(old, new)))


def test_unknown_city_points_to_folders(streets):
    rename_city(streets, "train", "ulm", "atlantis")
    with pytest.raises(
        DataError,
        match=r"1 cities that splits 0, 1 and 2 do not know: atlantis \(leftImg8bit/train/atlantis/atlantis_\S+\.png\)"
        r"\. Set `split: folders`",
    ):
        fine_scenes(streets, 0, "train")
    assert "atlantis" in {scene.city for scene in fine_scenes(streets, "folders", "train")}


def test_image_in_another_citys_folder_is_refused(streets):
    for kind in ("leftImg8bit", "gtFine"):
        for file in list((streets / kind / "val" / "lindau").iterdir()):
            file.rename(streets / kind / "train" / "ulm" / file.name)
    with pytest.raises(DataError, match=r"1 images lie in another city's folder: \S+/ulm/lindau_"):
        fine_scenes(streets, 0, "train")


def test_scene_in_both_folders_is_refused(streets):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.copytree(streets / kind / "train" / "ulm", streets / kind / "val" / "ulm")
    with pytest.raises(DataError, match=r"holds scenes in train/ and in val/: \S+/ulm_"):
        fine_scenes(streets, 0, "train")


def test_some_of_the_cities_will_do_as_long_as_both_parts_have_images(streets):
    for kind in ("leftImg8bit", "gtFine"):
        for city in ("ulm", "jena"):
            shutil.rmtree(streets / kind / "train" / city)
        for city in ("lindau", "munster"):
            shutil.rmtree(streets / kind / "val" / city)
    train, val = (fine_scenes(streets, 0, part) for part in ("train", "val"))
    assert (len(train), len(val)) == (16, 1)
    assert missing_cities(train, 0, "train") == ["jena", "ulm"]
    assert missing_cities(val, 0, "val") == ["lindau", "munster"]
    assert missing_cities(val, "folders", "val") == []
    for kind in ("leftImg8bit", "gtFine"):
        shutil.rmtree(streets / kind / "val")
    with pytest.raises(
        DataError,
        match=r"no image of the validation cities of split 0 \(frankfurt, lindau, munster\); it has aachen, bochum",
    ):
        fine_scenes(streets, 0, "val")
    assert len(fine_scenes(streets, 0, "train")) == 16


@pytest.mark.parametrize("split", [3, -1, "0", "folder", None, True])
def test_unknown_split_is_refused(split):
    with pytest.raises(DataError, match="it must be 0, 1, 2 or 'folders'"):
        check_split(split)
