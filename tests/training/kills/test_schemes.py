"""Schemes that need more than a class: parameters, draws, patterns, a file of the user's own."""

import json
import shutil

import pytest
import torch
import yaml

from records import RunFolder
from tests.support.program import NO_DASHBOARD, fit, killed, main, main_here, only_run
from tests.support.same_end import assert_same_end

MIXED = "conv1=constant;layer1*=noise;layer2*=random_side;layer3*=pad_channel;*=explicit"


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_parameters_and_draws_resume_exactly(devices, tmp_path, sample_tree):
    options = [f"--model.padding={MIXED}", "--run.checkpoint_every_n_steps=3", f"--trainer.devices={devices}"]
    for name in ("whole", "killed"):
        command = fit(tmp_path / name, sample_tree, *options, NO_DASHBOARD)
        if name == "killed":
            killed("step", 5, *command)
        assert main(*command).returncode == 0
    whole, resumed = only_run(tmp_path / "whole"), only_run(tmp_path / "killed")
    assert_same_end(whole, resumed)
    assert whole.path.name.startswith("tiny_resnet10-conv1_constant_layer1_noise_")
    weights = torch.load(whole.checkpoints / "best.ckpt", weights_only=True)["state_dict"]
    learned = {key: value for key, value in weights.items() if key.endswith("padding_learned")}
    assert len(learned) == 4
    assert all(value.isfinite().all() for value in learned.values())
    assert all(value.any() for value in learned.values()), "nothing was learned"


@pytest.fixture(scope="module")
def patterns(sample_tree, tmp_path_factory) -> RunFolder:
    """A run whose YAML has a mapping, one of its schemes from a file."""
    root = tmp_path_factory.mktemp("patterns")
    (root / "mine.py").write_text(
        "def edge(near, amount, measured):\n    return near.expand(*near.shape[:-1], amount)\n"
    )
    mapping = {"conv1": "constant", "layer1*": f"{root}/mine.py:edge", "*": "zero"}
    (root / "mapping.yaml").write_text(yaml.safe_dump({"model": {"init_args": {"padding": mapping}}}, sort_keys=False))
    command, *options = fit(root / "runs", sample_tree, "--trainer.max_epochs=1", NO_DASHBOARD)
    assert main_here(command, *options, "--config", str(root / "mapping.yaml")) == 0
    return only_run(root / "runs")


def test_a_mapping_has_one_name(patterns):
    record = patterns.read_record()
    config = yaml.safe_load(patterns.config.read_text())
    report = json.loads(patterns.padding_report.read_text())
    name = config["model"]["init_args"]["padding"]
    assert name.startswith("conv1=constant;layer1*=")
    assert name.endswith("mine.py:edge;*=zero")
    assert record.padding == report["scheme"] == name
    assert (report["schemes"]["conv1"], report["learned"]) == ("constant", 3)
    assert (patterns.path / "mine.py").is_file()
    assert len(report["files"]) == 1


def test_a_cross_test_says_what_it_leaves_out_and_a_changed_file_is_refused(patterns, tmp_path, capsys, caplog):
    run = RunFolder(shutil.copytree(patterns.path, tmp_path / patterns.path.name))
    command = ["validate", "--config", str(run.config), "--ckpt_path", str(run.checkpoints / "best.ckpt")]
    with caplog.at_level("INFO"):
        for scheme in ("zero", "explicit"):
            assert main_here(*command, f"--model.padding_at_test={scheme}") == 0
            assert f"under {scheme} padding without the 3 parameters of conv1=constant;" in caplog.text
    (run.path / "mine.py").write_text("def edge(near, amount, measured):\n    return near[..., :amount]\n")
    capsys.readouterr()
    assert main_here(*command) != 0
    assert "is not what the run began with" in capsys.readouterr().err
