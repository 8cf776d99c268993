"""`main.py border-error`: what it writes, how it continues, and what it refuses."""

import json
import os
import shutil
import sys

import pytest
from PIL import Image

from cli.app import main
from studies.border_error import measure
from studies.border_error.record import TRUE, BorderErrorRecord


@pytest.fixture
def command(sample_tree, tmp_path):
    schemes = ["--schemes", "zero", "reflect", "--batch-size", "4", "--count", "12"]
    return [
        *("border-error", "cifar_resnet10", "--images", str(sample_tree / "val"), "--size", "32"),
        *(*schemes, "--output", str(tmp_path / "out")),
    ]


def content(folder) -> dict:
    found = json.loads((folder / "out/cifar_resnet10-32.json").read_text())
    return {name: value for name, value in found.items() if name != "provenance"}


def test_stopped_it_continues_and_ends_as_if_it_had_not_been(command, tmp_path, monkeypatch, capsys):
    assert main(command) == 0
    whole = content(tmp_path)
    names = {file.name for file in (tmp_path / "out").iterdir()}
    assert names >= {"border_error.csv", "border_error.md", "border_error_layers.csv"}
    assert "true context" in capsys.readouterr().out
    assert main(command) == 0, "measured already"
    (tmp_path / "out/cifar_resnet10-32.json").unlink()
    add, calls = measure.BorderErrors.add, []

    def interrupted(self, images):
        calls.append(len(images))
        if len(calls) == 3:
            sys.exit(130)  # as `processes.signals.leave` does
        add(self, images)

    for name in ("FIRST", "SECONDS"):
        monkeypatch.setattr(measure, name, 0)
    monkeypatch.setattr(measure.BorderErrors, "add", interrupted)
    with pytest.raises(SystemExit):
        main(command)
    assert main(command) == 0
    assert "continuing after 8 images" in capsys.readouterr().out
    assert content(tmp_path) == whole
    assert not list((tmp_path / "out").glob("*.part"))


def test_of_one_image_and_maps_of_one_position_the_layers_that_vary_are_shown(command, sample_tree, capsys):
    assert main([*command, "--size", "8", "--count", "1", "--schemes", "zero", "replicate"]) == 0
    shown = capsys.readouterr().out
    (line,) = (line for line in shown.splitlines() if "cifar_resnet10_zero" in line)
    _, _, last, mean, alone, *_ = line.split()
    assert last == "-", "one position of one image does not vary"
    assert min(float(mean), float(alone)) > 0
    assert "enlarged" not in shown
    assert main([*command, "--size", "152", "--count", "1", "--schemes", "zero"]) == 0
    file = min((sample_tree / "val").rglob("*.*"))
    with Image.open(file) as image:
        assert f"enlarged up to {200 / min(image.size):.2g} times" in capsys.readouterr().out


def test_other_images_of_the_same_names_are_measured(command, tmp_path, sample_tree):
    assert main(command) == 0
    before, other = content(tmp_path), shutil.copytree(sample_tree / "val", tmp_path / "val")
    command[command.index("--images") + 1] = str(other)
    stamp = (tmp_path / "out/cifar_resnet10-32.json").stat().st_mtime_ns
    assert main(command) == 0
    assert (tmp_path / "out/cifar_resnet10-32.json").stat().st_mtime_ns == stamp, "the folder may move"
    for file in other.rglob("*.*"):
        with Image.open(file) as image:
            turned = image.transpose(Image.Transpose.ROTATE_90)
        turned.crop((0, 0, 40, 44)).save(file)
    file.rename(os.fsdecode(bytes(file.parent) + b"/0\xff.png"))  # a name that is no UTF-8
    assert main(command) == 0
    assert content(tmp_path)["errors"] != before["errors"]


def test_of_a_run_the_right_classes_are_known(trained_pair, sample_tree, tmp_path):
    command = ["border-error", str(trained_pair / "zero"), "--images", str(sample_tree / "val"), "--count", "10"]
    assert main([*command, "--output", str(tmp_path), "--schemes", "zero", "partial"]) == 0
    (file,) = tmp_path.glob("*.json")
    record = BorderErrorRecord.read(file)
    assert record.targets == [*range(10)]
    assert set(record.decisions) == {TRUE, "zero", "partial"}
