"""`main.py timing`: what it writes and replaces, exit statuses, and messages, whatever the times."""

import json
import sys

import pytest
from torch import nn

from cli.app import main
from studies.timing import inference
from studies.timing import measure as timing_measure
from studies.timing.record import TimingRecord

TINY = ["timing", "--device", "cpu", "--sizes", "8", "6x9", "--rounds", "2", "--first-rounds", "2", "--warm-up", "1"]


@pytest.fixture
def networks(monkeypatch):
    """Stands in for timm: `resnet50` pads 6 pixels, `resnet18` none, `resnet34` takes no images, `vgg16_bn` fails."""

    def create(name, classes):
        if name == "vgg16_bn":
            raise RuntimeError("out of memory")
        return nn.Conv2d(*{"resnet18": (3, 4, 1), "resnet34": (5, 4, 3, 1, 1)}.get(name, (3, 4, 3, 1, 6)))

    monkeypatch.setattr(inference, "create_network", create)


def test_writes_what_it_measured_and_replaces_its_own_files_only(networks, tmp_path, capsys):
    output = tmp_path / "out"
    output.mkdir()
    (output / "notes.txt").write_text("mine")
    command = [*TINY, "--output", str(output), "--networks", "resnet50", "--schemes", "partial", "circular"]
    assert main(command) == 0
    first = TimingRecord.read(output / "timing.json")
    assert [(case.height, case.width, case.mode) for case in first.cases] == [(8, 8, "eager"), (6, 9, "eager")]
    assert set(first.cases[0].later) == {"zero", "zero again", "partial", "circular"}
    assert {"command", "commit", "versions", "started", "threads"} <= set(first.provenance)
    assert main([*command, "--warm-up", "2"]) == 0
    assert TimingRecord.read(output / "timing.json").warm_up == 2
    names = {"notes.txt", "timing.json", "table1_timing.csv", "table1_timing.md"}
    assert {file.name for file in output.iterdir()} == names
    assert (output / "notes.txt").read_text() == "mine"
    assert "resnet50_partial (2nd - nth)" in capsys.readouterr().out


def test_a_network_and_a_scheme_that_fail_cost_the_others_nothing(networks, tmp_path, capsys):
    options = ["--networks", "vgg16_bn", "resnet50", "--schemes", "partial", "reflect"]
    assert main([*TINY, "--output", str(tmp_path), *options]) == 1
    found = TimingRecord.read(tmp_path / "timing.json")
    assert [case.network for case in found.cases] == ["resnet50", "resnet50"]
    assert found.failed[:2] == [f"vgg16_bn, {size}, eager: out of memory" for size in ("8 x 8", "6 x 9")]
    # The input can only be mirrored where it is larger than what is padded.
    assert found.failed[2].startswith("resnet50, 6 x 9, eager, reflect: ")
    assert [set(case.later) - {"zero", "zero again"} for case in found.cases] == [{"partial", "reflect"}, {"partial"}]
    shown = capsys.readouterr()
    assert "not measured: vgg16_bn, 6 x 9, eager: out of memory" in shown.err
    assert "out of memory" in shown.out
    assert main([*TINY, "--output", str(tmp_path / "none"), "--networks", "resnet18", "resnet34", "vgg16_bn"]) == 2
    first, second, *_ = capsys.readouterr().err.partition("nothing could be measured:\n  ")[2].split("\n  ")[::2]
    assert first == (
        "resnet18, 8 x 8, eager: partial, reflect, replicate: no convolution of the network is padded, so there is "
        "nothing to compare"
    )
    assert second.startswith("resnet34, 8 x 8, eager: ")
    assert "channels" in second
    assert not (tmp_path / "none").exists()


def test_interrupted_it_leaves_the_earlier_record(networks, tmp_path, monkeypatch, capsys):
    command = [*TINY, "--output", str(tmp_path / "out"), "--networks", "resnet50", "--schemes", "partial"]
    assert main(command) == 0
    earlier = {file: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def interrupt(*arguments):
        sys.exit(130)  # as `processes.signals.leave` does

    monkeypatch.setattr(timing_measure, "measure_case", interrupt)
    with pytest.raises(SystemExit):
        main(command)
    assert {file: file.read_bytes() for file in (tmp_path / "out").iterdir()} == earlier


def test_a_file_of_somebody_elses_is_not_replaced(networks, tmp_path, capsys):
    (tmp_path / "timing.json").write_text(json.dumps({"mine": 1}))
    assert main([*TINY, "--output", str(tmp_path), "--networks", "resnet50"]) == 2
    assert json.loads((tmp_path / "timing.json").read_text()) == {"mine": 1}
    assert "will not be replaced" in capsys.readouterr().err
