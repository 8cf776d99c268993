"""`main.py geometry`: what it writes, what it measures again, and what it refuses."""

import numpy as np
import pytest
import torch

from cli.app import main
from networks.create import create_network
from padding import available_schemes
from padding.registry import forget_made
from studies.geometry.record import GeometryRecord
from studies.geometry.table import section


@pytest.fixture
def measured(tmp_path, capsys):
    command = ["geometry", "cifar_resnet10", "--sizes", "32", "--schemes", "zero", "reflect", "--output", str(tmp_path)]
    assert main(command) == 0
    capsys.readouterr()
    return command


def test_the_same_command_measures_only_what_is_missing(measured, tmp_path, capsys):
    record = GeometryRecord.read(tmp_path / "cifar_resnet10-32.json")
    assert set(record.foveation) == {"zero", "reflect"}
    assert {each.layer for each in record.responses["zero"]} >= {"conv1", "layer4.0.conv2"}
    assert main(measured) == 0
    assert "[1/2]" not in capsys.readouterr().out
    assert main([*measured, "--seed", "1"]) == 0
    assert "[1/2]" in capsys.readouterr().out
    names = {file.name for file in tmp_path.iterdir()}
    assert {"geometry_foveation.csv", "geometry_constant.md", "geometry_cifar_resnet10-32_foveation.svg"} <= names


@pytest.mark.parametrize("changed", ["weights", "scheme"])
def test_other_weights_or_another_scheme_of_the_same_name_are_measured(changed, tmp_path, capsys):
    network, weights, scheme = create_network("cifar_resnet10", 1000), tmp_path / "a.pth", tmp_path / "mine.py"
    torch.save(network.state_dict(), weights)
    scheme.write_text("def ones(near, amount, measured):\n    return near * 0 + 1\n")
    command = ["geometry", "cifar_resnet10", "--sizes", "32", "--weights", str(weights), "--output", str(tmp_path)]
    measured = []
    for change in (None, None, changed):
        if change == "weights":
            torch.save({name: 2 * each for name, each in network.state_dict().items()}, weights)
        elif change:
            scheme.write_text(scheme.read_text().replace("+ 1", "+ 2"))
        forget_made(".py:")
        assert main([*command, "--schemes", f"{scheme}:ones"]) == 0
        measured.append("[1/1]" in capsys.readouterr().out)
    assert measured == [True, False, True]


def test_a_scheme_that_fails_is_named_and_the_others_are_shown(tmp_path, capsys, page_of):
    """The last maps of images of 8 pixels have one position, which nothing can be mirrored at."""
    command = ["geometry", "cifar_resnet10", "--sizes", "8", "--output", str(tmp_path)]
    assert main(command) == 0  # as many schemes as this network can have
    assert main([*command, "--schemes", "zero", "reflect"]) == 1
    assert "reflect: layer 'layer4.0.conv2'" in capsys.readouterr().out
    record = GeometryRecord.read(tmp_path / "cifar_resnet10-8.json")
    assert set(record.responses) == {"zero"}
    assert "Not measured" in page_of(section([record], tmp_path))


def test_a_run_is_measured_under_every_scheme(trained_pair, tmp_path):
    assert main(["geometry", str(trained_pair / "partial"), "--sizes", "64", "--output", str(tmp_path)]) == 0
    (file,) = tmp_path.glob("*.json")
    record = GeometryRecord.read(file)
    assert record.schemes == [*record.foveation] == [*record.responses] == [*available_schemes()]
    assert all(np.isfinite(found.cells).all() for found in record.foveation.values())
    assert record.weights.startswith("best.ckpt")
