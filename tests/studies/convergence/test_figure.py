"""A group's curve: mean and spread at each epoch."""

import pytest

from studies.convergence.figure import curve, study
from studies.runs.collect import collect


def test_each_epoch_counts_the_runs_that_have_it(tmp_path, make_run, rows_of):
    make_run(seed=0, values=(10.0, 20.0))
    make_run(seed=1, values=(14.0, 26.0, 30.0))
    collection = collect(tmp_path / "runs")
    points = curve(collection.groups[0], "val/acc1")
    assert [(p.epoch, p.mean, p.n, p.lowest, p.highest) for p in points] == [
        (1, 12.0, 2, 10.0, 14.0),
        (2, 23.0, 2, 20.0, 26.0),
        (3, 30.0, 1, 30.0, 30.0),
    ]
    assert [point.std for point in points] == [pytest.approx(8**0.5), pytest.approx(18**0.5), None]
    study(collection, tmp_path)
    first, _, last = rows_of("figure3.csv")
    assert list(first.values()) == ["resnet18", "zero", "1", "12.0", repr(points[0].std), "2", "10.0", "14.0"]
    assert (last["std"], last["n"]) == ("", "1")
