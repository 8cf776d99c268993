"""The curve over the distance to the border, from made-up counts."""

import pytest

from studies.segmentation.distance import study
from tests.support.segmentation_counts import MODES, counts_of, miou, read_csv


def test_the_curve_is_the_mean_with_lowest_and_highest_run(make_tested, collection, tmp_path):
    for seed in (0, 1, 2):
        make_tested("partial", seed)
    study(collection(), tmp_path)
    rows = read_csv(tmp_path / "distance.csv")
    assert rows[0] == ["network, prediction", "pixels", "partial", "partial lowest", "partial highest", "partial n"]
    assert [row[1] for row in rows[1:4]] == ["0-1", "2-4", "5+"]
    for row, (mode, number) in zip(rows[1:], ((mode, number) for mode in MODES for number in range(3)), strict=True):
        runs = [miou(counts_of("partial", seed, mode).sum(0)[number]) for seed in (0, 1, 2)]
        assert list(map(float, row[2:])) == pytest.approx([sum(runs) / 3, min(runs), max(runs), 3])
    assert (tmp_path / "distance.svg").read_text().count("pixels to the nearest border") == 3


def test_a_bin_without_pixels_is_a_gap_and_not_a_zero(make_tested, collection, tmp_path):
    counts = counts_of("zero", 0, "regular")
    counts[:, 1] = 0
    make_tested("zero", confusion={"regular": counts.tolist()})
    make_tested("partial", confusion={"regular": counts_of("partial", 0, "regular").tolist()})
    study(collection(), tmp_path)
    rows = read_csv(tmp_path / "distance.csv")
    place = rows[0].index("diff: partial - zero")
    assert [bool(row[2]) for row in rows[1:]] == [bool(row[place]) for row in rows[1:]] == [True, False, True]
    for row in rows[1::2]:
        assert float(row[place]) == pytest.approx(float(row[rows[0].index("partial")]) - float(row[2]))


def test_nothing_without_tests(make_run, collection, tmp_path):
    make_run(monitor="val/miou")
    assert study(collection(), tmp_path) is None
