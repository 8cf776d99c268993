"""The curve over the distance to the border, from made-up counts."""

import pytest

from studies.segmentation.distance import study
from tests.support.segmentation_counts import MODES, counts_of, miou


def test_the_curve_is_the_mean_with_lowest_and_highest_run(make_tested, collection, tmp_path, rows_of):
    for seed in (0, 1, 2):
        make_tested("partial", seed)
    study(collection(), tmp_path)
    rows = rows_of("distance.csv")
    assert [*rows[0]] == ["network, prediction", "pixels", "partial", "partial lowest", "partial highest", "partial n"]
    assert [row["pixels"] for row in rows[:3]] == ["0-1", "2-4", "5+"]
    for row, (mode, number) in zip(rows, ((mode, number) for mode in MODES for number in range(3)), strict=True):
        runs = [miou(counts_of("partial", seed, mode).sum(0)[number]) for seed in (0, 1, 2)]
        assert list(map(float, [*row.values()][2:])) == pytest.approx([sum(runs) / 3, min(runs), max(runs), 3])
    assert (tmp_path / "distance.svg").read_text().count("pixels to the nearest border") == 3


def test_a_bin_without_pixels_is_a_gap_and_not_a_zero(make_tested, collection, tmp_path, rows_of):
    counts = counts_of("zero", 0, "regular")
    counts[:, 1] = 0
    make_tested("zero", confusion={"regular": counts.tolist()})
    make_tested("partial", confusion={"regular": counts_of("partial", 0, "regular").tolist()})
    study(collection(), tmp_path)
    rows = rows_of("distance.csv")
    there = [(bool(row["zero"]), bool(row["diff: partial - zero"])) for row in rows]
    assert there == [(True, True), (False, False), (True, True)]
    for row in rows[::2]:
        assert float(row["diff: partial - zero"]) == pytest.approx(float(row["partial"]) - float(row["zero"]))


def test_nothing_without_tests(make_run, collection, tmp_path):
    make_run(monitor="val/miou")
    assert study(collection(), tmp_path) is None
