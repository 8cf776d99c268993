"""Table 4: averages and drops against arithmetic done by hand; what is missing is said."""

import statistics

import pytest

from records import find_runs
from records.classification import ClassificationRecord
from studies.cross_test.table import drops, study
from studies.runs.collect import collect
from studies.runs.comparable import comparable_records

ALL, FIVE, FOUR, TWO, NONE = (
    [0, 0, 1, 1, 2, 2],
    [0, 0, 1, 1, 2, 0],
    [0, 0, 1, 1, 0, 0],
    [0, 0, 0, 0, 0, 0],
    [1, 1, 2, 2, 0, 0],
)


@pytest.fixture
def crossed(make_run, keep_evaluation, tmp_path):
    """Two seeds each of zero and partial on the paper's network; zero falls from 6 and 5 right to 2 and 4 of 6."""
    for seed, own, other in ((0, ALL, TWO), (1, FIVE, FOUR)):
        run = make_run("resnet50", "zero", seed)
        keep_evaluation(run, own)
        keep_evaluation(run, other, "partial")
    for seed, own in ((0, FIVE), (1, FIVE)):
        keep_evaluation(make_run("resnet50", "partial", seed), own)
    return tmp_path / "runs"


def test_the_table_has_spread_interval_and_the_papers_figures(crossed, tmp_path, rows_of, page_of):
    section = study(collect(crossed), tmp_path)
    rows = rows_of("table4_cross.csv")
    assert [(row["Training"], row["Inference"]) for row in rows] == [
        ("resnet50_zero", "resnet50_zero"),
        ("resnet50_zero", "resnet50_partial"),
        ("resnet50_partial", "resnet50_partial"),
    ]
    assert float(rows[1]["diff"]) == pytest.approx(-250 / 6)
    assert float(rows[1]["stdev of diff"]) == pytest.approx(statistics.stdev([-400 / 6, -100 / 6]))
    assert rows[0]["diff"] == rows[0]["stdev of diff"] == ""
    assert float(rows[1]["paper: diff"]) == -16.357
    # t(0.975, 1 degree of freedom) = 12.7062; two values lie half their distance from the mean.
    low, high = float(rows[1]["interval: low"]), float(rows[1]["interval: high"])
    assert (low, high) == pytest.approx((-250 / 6 - 12.7062 * 150 / 6, -250 / 6 + 12.7062 * 150 / 6), rel=1e-5)
    assert rows[1]["95 % interval"] == f"{low:+.2f} to {high:+.2f}"
    assert "resnet50_partial under zero: 0 of 2 runs" in page_of(section)
    assert [file.name for file in section.files] == ["table4_cross.csv", "table4_cross.md"]


def test_only_records_of_one_checkpoint_and_one_set_of_images_are_compared(
    crossed, make_run, keep_evaluation, tmp_path, page_of
):
    run = make_run("resnet50", "zero", 2)
    keep_evaluation(run, ALL, digest="other images")
    keep_evaluation(run, NONE, "partial", "epoch-001.ckpt")
    collection = collect(crossed)
    (cell,) = drops(collection)
    # Run by run, 2 - 6 and 4 - 5 of six images: not the difference of two averages.
    assert list(cell.diffs.values()) == pytest.approx((-400 / 6, -100 / 6))
    assert ["other images" in sentence for sentence in comparable_records(collection).left_out] == [True]
    (last,) = comparable_records(collection, "last").of
    assert (last[0].record.seed, last[1]) == (2, "partial")
    assert "zero-seed2 under zero: evaluated on other images" in page_of(study(collection, tmp_path))


@pytest.mark.parametrize(("runs", "schemes"), [(1, "abcdefg"), (4, [None])])
def test_records_of_other_images_displace_no_larger_cross_test(crossed, keep_evaluation, runs, schemes):
    """Neither of one run under many schemes, nor of all runs under their own scheme alone."""
    for run in find_runs(crossed)[:runs]:
        for scheme in schemes:
            keep_evaluation(run, ALL, scheme, digest="newer")
    (cell,) = drops(collect(crossed))
    assert list(cell.diffs.values()) == pytest.approx((-400 / 6, -100 / 6))


def test_nothing_without_a_test_under_another_scheme(make_run, keep_evaluation, tmp_path):
    keep_evaluation(make_run(), ALL)
    assert study(collect(tmp_path / "runs"), tmp_path) is None
    assert drops(collect(tmp_path / "runs")) == []
    assert not list(tmp_path.glob("table4*"))


def test_images_with_a_margin_stand_in_tables_of_their_own(crossed, make_run, keep_evaluation, tmp_path, rows_of):
    run = make_run("resnet50", "zero", 0)
    files = [keep_evaluation(run, own, scheme) for own, scheme in ((FIVE, None), (ALL, "valid"))]
    for file in files:
        record = ClassificationRecord.read(file)
        record.data["margin"] = 4
        file.unlink()
        record.write(file.with_name(record.file_name))
    keep_evaluation(run, ALL)
    section = study(collect(crossed), tmp_path)
    names = ["table4_cross.csv", "table4_cross.md", "table4_cross_margin4.csv", "table4_cross_margin4.md"]
    assert [file.name for file in section.files] == names
    _, valid = rows_of("table4_cross_margin4.csv")
    assert (valid["Inference"], float(valid["diff"])) == ("resnet50_valid", pytest.approx(100 / 6))
    assert "resnet50_valid" not in [row["Inference"] for row in rows_of("table4_cross.csv")]
