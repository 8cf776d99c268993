"""Which runs `main.py activations` takes where none are named."""

import pytest

from records.errors import UserError
from studies.activations.command import choose_runs
from studies.runs.collect import collect


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
