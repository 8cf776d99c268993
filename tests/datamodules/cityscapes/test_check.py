import runpy
import shutil

import numpy as np
import pytest
from PIL import Image

from datamodules import DataError
from datamodules.cityscapes.check import check, main


def test_report_counts_each_city(street_tree):
    report = check(street_tree, num_workers=0)
    lines = [line.strip() for line in report.splitlines()]
    assert "train: 18 images of 18 cities (official: 2975)" in lines
    assert "val: 3 images of 3 cities (official: 500)" in lines
    assert "coarse: 4 images of 4 cities (official: 19998)" in lines
    assert lines.count("frankfurt            1 of 267") == 1
    assert "sizes: 128 x 64 (25)" in lines
    assert "lacks" not in report
    assert "val: 3 images of 3 cities (official: 655)" in check(street_tree, split=2, num_workers=0)


def test_deep_check_says_which_classes_a_set_lacks(street_tree):
    lines = check(street_tree, deep=True, num_workers=2).splitlines()
    assert lines[-3:-1] == [
        "classes that train lacks: terrain, train",
        "classes that val lacks: terrain, train, motorcycle",
    ]


def test_missing_cities_are_in_the_report(streets):
    for kind in ("leftImg8bit", "gtFine"):
        shutil.rmtree(streets / kind / "train" / "ulm")
    assert "  missing: ulm" in check(streets, num_workers=0).splitlines()


def damage(root, folder, city, kind, change):
    (file,) = (root / kind / folder / city).iterdir()
    change(file)


def cut(file):
    file.write_bytes(file.read_bytes()[:900])


def empty(file):
    file.write_bytes(b"")


def halve(file):
    Image.fromarray(np.zeros((32, 64), dtype=np.uint8)).save(file)


def colour(file):
    Image.open(file).convert("RGB").save(file)


def unknown_id(file):
    Image.fromarray(np.full((64, 128), 40, dtype=np.uint8)).save(file)


@pytest.mark.parametrize(
    ("kind", "folder", "city", "change", "deep", "message"),
    [
        ("leftImg8bit", "train", "ulm", empty, False, r"ulm_\S+leftImg8bit\.png: cannot be decoded"),
        ("gtFine", "train", "ulm", empty, False, r"ulm_\S+labelIds\.png: cannot be decoded"),
        ("gtFine", "val", "lindau", halve, False, r"lindau_\S+ is 128 x 64 pixels, but its label file \S+ is 64 x 32"),
        ("gtCoarse", "train_extra", "bamberg", colour, False, r"bamberg_\S+: is PNG RGB"),
        ("leftImg8bit", "val", "munster", cut, True, r"munster_\S+leftImg8bit\.png: cannot be decoded"),
        ("gtFine", "train", "jena", unknown_id, True, r"jena_\S+: holds 1 values that are no label id: 40"),
    ],
)
def test_each_fault_is_found_and_named(kind, folder, city, change, deep, message, streets):
    damage(streets, folder, city, kind, change)
    with pytest.raises(DataError, match=message):
        check(streets, deep=deep, num_workers=0)
    if deep:
        check(streets, num_workers=0)


def test_many_faults_are_counted(streets):
    for city in ("aachen", "bochum", "bremen", "cologne"):
        damage(streets, "train", city, "gtFine", empty)
    with pytest.raises(DataError, match=r"4 of 25 scenes cannot be used\. .*aachen.*bochum.*bremen.* and 1 more"):
        check(streets, num_workers=2)


def test_command_answers_with_its_status(street_tree, tmp_path, capsys):
    assert main([str(street_tree), "--split", "2", "--workers", "0"]) == 0
    assert "split 2, val monchengladbach, strasbourg, stuttgart" in capsys.readouterr().out
    assert main([str(tmp_path / "none")]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("error: ")
    assert "does not exist" in output.err
    assert len(output.err.splitlines()) == 1


def test_command_says_nothing_else(street_tree, monkeypatch, capsys, recwarn):
    monkeypatch.setattr("sys.argv", ["cityscapes", str(street_tree), "--split", "folders", "--no-coarse"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("datamodules.cityscapes", run_name="__main__")
    assert stop.value.code == 0
    output = capsys.readouterr()
    assert "train/ and val/ as they are" in output.out
    assert output.err == ""
    assert not [warning for warning in recwarn if "found in sys.modules" in str(warning.message)]
