"""The red-green test: its images, networks that know the answer, and the command."""

import numpy as np
import pytest
import torch

from cli.app import main
from padding import available_schemes
from padding.registry import forget_made
from records.errors import UserError
from studies.location import measure
from studies.location.record import LocationRecord
from studies.location.table import PUBLISHED, by_gap, make_table
from studies.location.train import ROWS, accuracies, draw, make

TINY = ["location", "--images", "50", "--epochs", "1", "--seeds", "2", "--jobs", "1"]


@pytest.mark.parametrize("swapped", [False, True])
def test_red_lies_left_of_green_in_class_0_and_each_class_in_its_half(swapped):
    images, classes = draw(200, swapped, np.random.default_rng(0))
    assert images.sum((1, 2, 3)).tolist() == [32] * 200, "two squares of 16 pixels that do not cover each other"
    assert not images[:, 2].any()
    columns = np.arange(32)
    red, green = ((images[:, channel].sum(1) * columns).sum(1) for channel in (0, 1))
    assert ((red < green) == (classes == 0)).all()
    upper = images[:, :, :16].any((1, 2, 3))
    lower = images[:, :, 16:].any((1, 2, 3))
    assert (upper & ~lower)[(classes == 0) != swapped].all()
    assert (lower & ~upper)[(classes == 1) != swapped].all()
    assert min(ROWS) >= 4


def test_a_circular_network_cannot_tell_an_image_from_its_half_turn_rolled():
    """The rolls of both halves are all the same to it: by construction, whatever the weights; not to zeros."""
    images, _ = map(torch.from_numpy, draw(20, False, np.random.default_rng(0)))
    for scheme, same in (("circular", True), ("zero", False), ("valid", False)):
        torch.manual_seed(0)
        network = make(scheme).eval()
        with torch.no_grad():
            found = network(images).allclose(network(images.roll(16, 2)), atol=1e-6)
        assert found == same, scheme


def test_zeros_give_location_away_and_one_seed_is_one_result():
    found = accuracies("zero", 0, 500, 8)
    assert found[0] > 90
    assert found[1] < 30
    torch.rand(3)
    state = torch.random.get_rng_state()
    assert accuracies("zero", 0, 500, 8) == found
    assert torch.equal(torch.random.get_rng_state(), state)


def test_the_same_command_trains_only_what_is_missing(tmp_path, capsys):
    command = [*TINY, "--output", str(tmp_path)]
    assert main([*command, "--schemes", "zero", "valid"]) == 0
    assert "[4/4]" in capsys.readouterr().out
    assert main([*command, "--schemes", "zero", "valid", "full"]) == 0
    assert "[2/2] full, seed 1" in capsys.readouterr().out
    record = LocationRecord.read(tmp_path / "location.json")
    assert {scheme: set(seeds) for scheme, seeds in record.accuracy.items()} == {
        scheme: {"0", "1"} for scheme in ("zero", "valid", "full")
    }
    assert {file.name for file in tmp_path.iterdir()} == {f"location.{end}" for end in ("json", "csv", "md", "svg")}
    assert main([*command, "--epochs", "2", "--schemes", "zero"]) == 0
    assert "[2/2]" in capsys.readouterr().out, "another training"


def test_a_scheme_of_a_file_that_was_changed_is_trained_anew(tmp_path):
    file, trained = tmp_path / "mine.py", []
    for value in (1, 1, 2):
        file.write_text(f"def ones(near, amount, measured):\n    return near * 0 + {value}\n")
        forget_made(".py:")
        lines = []
        measure.measure(tmp_path / "location.json", ["zero", f"{file}:ones"], 1, 50, 1, 1, lines.append)
        trained.append(len(lines))
    assert trained == [2, 0, 1]


def test_several_at_a_time_give_the_same(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for file, jobs in ((one, 1), (two, 2)):
        measure.measure(file, ["zero", "noise"], 1, 50, 1, jobs, lambda text: None)
    assert LocationRecord.read(one).accuracy == LocationRecord.read(two).accuracy


def test_a_scheme_that_fails_costs_the_others_nothing(tmp_path, monkeypatch):
    def fail(scheme, *settings):
        if scheme == "zero":
            raise UserError("no room")
        return [50.0, 50.0]

    monkeypatch.setattr(measure, "accuracies", fail)
    record = measure.measure(tmp_path / "location.json", ["zero", "full"], 1, 50, 1, 1, lambda text: None)
    assert record.failed == ["zero, seed 0: no room"]
    assert [*record.accuracy] == ["full"]


def test_every_scheme_can_be_trained():
    for scheme in ("valid", *available_schemes(), "full"):
        assert len(accuracies(scheme, 0, 50, 1)) == 2


def test_the_table_sorts_by_the_gap_and_shows_what_was_published():
    accuracy = {"zero": {"0": [100, 0], "1": [90, 10]}, "full": {"1": [80, 82], "0": [80, 80]}}
    record = LocationRecord(50, 1, accuracy)
    assert by_gap(record) == ["full", "zero"]
    full, zero = make_table(record).rows
    assert zero[1:7] == [2, 95, pytest.approx(50**0.5), 5, pytest.approx(50**0.5), 90]
    assert tuple(full[-2:]) == PUBLISHED["full"]
