"""What a training needs, looked at: a line each, and an exit status that a script can read."""

import pytest

from tests.support.program import main_here

LOOKS = ["versions", "devices", "all-reduce", "disk", "configuration", "loader", "network"]


def lines(capsys):
    return {line[:14].strip(): line[14:] for line in capsys.readouterr().out.splitlines()}


def test_a_machine_that_can_train_is_green(sample_tree, tmp_path, capsys):
    options = [f"--data.root={sample_tree}", f"--run.root={tmp_path}/runs", "--data.batch_size=16"]
    assert main_here("doctor", "configs/demo/demo.yaml", *options, "--seconds=0.1") == 0
    found = lines(capsys)
    assert list(found) == LOOKS
    assert "2 processes by gloo" in found["all-reduce"]
    assert "images/s, 0 workers" in found["loader"]
    assert "batches of 8" in found["network"]
    assert not (tmp_path / "runs").exists(), "looking writes nothing"


@pytest.mark.parametrize("config", [["--config=configs/demo/demo.yaml"], []])
def test_what_is_wrong_is_red_and_the_rest_is_looked_at(config, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("cli.doctor.looks.LEAST_GB", 1e9)
    monkeypatch.setattr("cli.doctor.looks.all_reduce", lambda: "2 processes")  # starting them takes seconds
    assert main_here("doctor", *config, f"--data.root={tmp_path}/none", "--seconds=0.1") == 1
    found = lines(capsys)
    assert found["disk"].startswith("FAILED:")
    assert found["configuration"].startswith("FAILED:")
    assert f"{tmp_path}/none" in found["configuration"]
    reason = "not looked at: the configuration or its data failed, see above"
    assert (found["loader"], found["network"]) == (reason,) * 2
    assert "2 processes" in found["all-reduce"]
