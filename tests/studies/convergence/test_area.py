"""The area between the curves, and how far they fall back."""

import pytest

from studies.convergence.area import areas
from studies.runs.collect import collect


def test_sum_of_the_differences_and_falls_from_epoch_to_epoch(tmp_path, make_run):
    for seed in (0, 1):
        make_run(seed=seed, values=(10.0, 20.0, 15.0))
        make_run(padding="partial", seed=seed, values=(11.0, 24.0 + seed, 24.0, 99.0))
    (found,) = areas(collect(tmp_path))
    # Epoch 4 is not in every run: (1 + 4 + 9) and (1 + 5 + 9).
    assert (found.epochs, found.area) == (3, pytest.approx(14.5))
    assert found.lead.mean == pytest.approx(14.5 / 3)
    # partial falls by 0 and 1, zero by 5, each over two steps.
    assert found.drift == pytest.approx(0.25)
    assert found.drift_difference.mean == pytest.approx(0.25 - 2.5)
