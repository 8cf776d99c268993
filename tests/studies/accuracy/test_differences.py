"""Differences from zero padding: pairs where the seeds are the same."""

import pytest

from studies.accuracy.differences import study
from studies.runs.collect import collect
from studies.runs.statistic import BEST


def test_equal_seeds_are_paired(tmp_path, make_run, rows_of):
    for seed, value in [(0, 10.0), (1, 12.0), (2, 14.0)]:
        make_run(seed=seed, values=(value,))
        make_run(padding="partial", seed=seed, values=(value + seed,))
    make_run(padding="reflect", seed=0, values=(11.0,))
    collection = collect(tmp_path)
    with pytest.raises(ValueError, match="no runs with zero padding"):
        BEST.difference(collection, collection.groups[0])
    study(collection, tmp_path)
    rows = rows_of("differences.csv")
    assert [(row["Comparison"], row["by"], row["n"], row["test"]) for row in rows] == [
        ("resnet18: partial − zero", "best", "3", "paired"),
        ("resnet18: partial − zero", "last5", "3", "paired"),
        ("resnet18: reflect − zero", "best", "1 and 3", ""),
        ("resnet18: reflect − zero", "last5", "1 and 3", ""),
    ]
    # Differences 0, 1, 2: standard error 1 / sqrt(3).
    assert float(rows[0]["high"]) == pytest.approx(1 + 4.302653 / 3**0.5, abs=1e-5)
    assert rows[2]["p"] == rows[2]["low"] == rows[2]["stdev ratio"] == rows[2]["ratio: 95 %"] == ""
    # Standard deviations 3 and 2. The F distribution's quantile for 2 and 2 degrees of freedom is q / (1 - q).
    assert float(rows[0]["stdev ratio"]) == pytest.approx(1.5)
    assert rows[0]["ratio: 95 %"] == f"{1.5 / 39**0.5:.2f} to {1.5 * 39**0.5:.2f}"
