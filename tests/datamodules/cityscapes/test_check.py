import re
import runpy
import shutil

import numpy as np
import pytest
from PIL import Image

from datamodules import DataError
from datamodules.cityscapes.check import check, main


def test_report_counts_each_city(streets):
    lines = [line.strip() for line in check(streets, num_workers=0).splitlines()]
    for line in (
        "train: 18 images of 18 cities (official: 2975)",
        "val: 3 images of 3 cities (official: 500)",
        "coarse: 4 images of 4 cities (official: 19998)",
        "frankfurt            1",
        "sizes: 128 x 64 (25)",
    ):
        assert lines.count(line) == 1
    assert not any("lacks" in line or "missing" in line for line in lines)
    for kind in ("leftImg8bit", "gtFine"):
        shutil.rmtree(streets / kind / "train" / "ulm")
    report = check(streets, split=2, num_workers=0).splitlines()
    assert {"val: 3 images of 3 cities", "  missing: ulm"} <= set(report)


def test_deep_check_says_which_classes_a_set_lacks(street_tree):
    lines = check(street_tree, deep=True, num_workers=2).splitlines()
    assert lines[-4:-2] == [
        "classes that train lacks: terrain, train",
        "classes that val lacks: terrain, train, motorcycle",
    ]


CHANGES = {
    "cut": lambda file: file.write_bytes(file.read_bytes()[:900]),
    "empty": lambda file: file.write_bytes(b""),
    "halve": lambda file: Image.fromarray(np.zeros((32, 64), dtype=np.uint8)).save(file),
    "colour": lambda file: Image.open(file).convert("RGB").save(file),
    "unknown id": lambda file: Image.fromarray(np.full((64, 128), 40, dtype=np.uint8)).save(file),
}


def damage(root, folder, change):
    (file,) = (root / folder).iterdir()
    CHANGES[change](file)


@pytest.mark.parametrize(
    ("folder", "change", "deep", "message"),
    [
        ("leftImg8bit/train/ulm", "empty", False, r"ulm_\S+leftImg8bit\.png: cannot be decoded"),
        ("gtFine/train/ulm", "empty", False, r"ulm_\S+labelIds\.png: cannot be decoded"),
        ("gtFine/val/lindau", "halve", False, r"lindau_\S+ is 128 x 64 pixels, but its label file \S+ is 64 x 32"),
        ("gtCoarse/train_extra/bamberg", "colour", False, r"bamberg_\S+: is PNG RGB"),
        ("leftImg8bit/val/munster", "cut", True, r"munster_\S+leftImg8bit\.png: cannot be decoded"),
        ("gtFine/train/jena", "unknown id", True, r"jena_\S+: holds 1 values that are no label id: 40"),
    ],
)
def test_each_fault_is_found_and_named(folder, change, deep, message, streets):
    damage(streets, folder, change)
    with pytest.raises(DataError, match=message):
        check(streets, deep=deep, num_workers=0)
    if deep:
        check(streets, num_workers=0)


def test_many_faults_are_counted(streets):
    for city in ("aachen", "bochum", "bremen", "cologne"):
        damage(streets, f"gtFine/train/{city}", "empty")
    with pytest.raises(DataError, match=r"4 of 25 scenes cannot be used\. .*aachen.*bochum.*bremen.* and 1 more"):
        check(streets, num_workers=2)


def test_command_answers_with_its_status_and_says_nothing_else(street_tree, tmp_path, monkeypatch, capsys, recwarn):
    assert main([str(street_tree), "--split", "2", "--workers", "0"]) == 0
    assert "split 2, val monchengladbach, strasbourg, stuttgart" in capsys.readouterr().out
    assert main([str(tmp_path / "none")]) == 2
    output = capsys.readouterr()
    assert (output.out, output.err.count("\n")) == ("", 1)
    assert re.match("error: .* does not exist", output.err)
    monkeypatch.setattr("sys.argv", ["cityscapes", str(street_tree), "--split", "folders", "--no-coarse"])
    with pytest.raises(SystemExit) as stop:
        runpy.run_module("datamodules.cityscapes", run_name="__main__")
    output = capsys.readouterr()
    assert (stop.value.code, output.err) == (0, "")
    assert "train/ and val/ as they are" in output.out
    assert not [warning for warning in recwarn if "found in sys.modules" in str(warning.message)]
