"""Which runs and images `main.py activations` takes where none are named."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from records.errors import UserError
from studies.activations.command import choose_images, choose_runs
from studies.runs.collect import collect

FILES = [f"ape/{number}.png" for number in range(6)]


@pytest.fixture
def trained():
    """Stands in for a loaded classifier of six reported images."""
    data = SimpleNamespace(eval_files=lambda: (Path("/images"), FILES, [0] * 6), class_names=["ape"])
    return SimpleNamespace(data=data, module=None, record=SimpleNamespace(compared_as="resnet18"))


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, [0, 3]),
        (["resnet18,zero,partial,ape/1.png", "resnet18,zero,partial,ape/4.png"], [1, 4]),
        (["resnet50,zero,partial,ape/1.png", "resnet18,partial,zero,ape/4.png"], [0, 3]),
        (["resnet18,zero,partial,elsewhere/1.png"], [0, 3]),
    ],
    ids=["no figure", "figure", "another network, the opposite", "other images"],
)
def test_images(rows, expected, trained, tmp_path):
    """Those of Figure 4 of this network; else reported ones, spread evenly."""
    if rows is not None:
        (tmp_path / "figure4.csv").write_text("\n".join(["Network,all wrong,all right,image", *rows]))
    found = choose_images(trained, tmp_path, 2)
    assert found == [(Path("/images") / FILES[number], "ape") for number in expected]


@pytest.mark.parametrize(
    ("schemes", "seed", "expected"),
    [
        (None, None, ["zero-seed1", "partial-seed1"]),
        (None, 2, ["zero-seed2", "partial-seed2"]),
        (["reflect", "zero"], None, ["reflect-seed7", "zero-seed0"]),
        (["reflect"], None, ["reflect-seed7"]),
        (None, 0, "--seed 0: not every scheme of resnet18 has it; all have \\[1, 2\\]"),
        (["circular"], None, "no finished run with circular padding; there are zero, partial, reflect"),
    ],
)
def test_runs(schemes, seed, expected, make_run, tmp_path):
    """One of each scheme, of the lowest seed that all have, else of each one's lowest."""
    for padding, seeds in {"zero": (0, 1, 2), "partial": (1, 2), "reflect": (7,)}.items():
        for each in seeds:
            make_run(padding=padding, seed=each)
    collection = collect(tmp_path / "runs")
    if isinstance(expected, str):
        with pytest.raises(UserError, match=expected):
            choose_runs(collection, "resnet18", schemes, seed)
    else:
        found = choose_runs(collection, "resnet18", schemes, seed)
        assert [run.record.name.removeprefix("resnet18-") for run in found] == expected
