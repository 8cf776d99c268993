"""Table 5 from the paper's own runs."""

import pytest

from studies.runs import paper
from studies.runs.collect import collect
from studies.segmentation.splits import study
from tests.support.segmentation_counts import read_csv


def test_the_papers_table_comes_out_of_its_runs(make_run, collection, tmp_path):
    for row in paper.rows("table5"):
        for seed, value in enumerate(row["runs"]):
            variant = f"split{row['split']}"
            folder = f"{row['network']}-{variant}-{row['padding']}-{seed}"
            values = (1.0, value, value - 1)
            make_run(row["network"], row["padding"], seed, values, folder=folder, variant=variant, monitor="val/miou")
    # Other data than the paper's has none of its values beside it.
    make_run("resnet50", "zero", values=(1.0, 2.0), monitor="val/miou")
    study(collection(), tmp_path)
    rows = read_csv(tmp_path / "table5_splits.csv")
    (own, *found) = [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]
    assert (own["split"], own["1_best"], own["2_best"], own["paper: mean"]) == ("as on disk", "2.0", "", "")
    # The paper's order: its default split before the additional one, ResNet50 before WideResNet38.
    assert [(row["Network"], row["split"]) for row in found] == [
        (f"{network}_{padding}", split)
        for split in ("default (0)", "additional (2)")
        for network in ("resnet50", "wide_resnet38")
        for padding in ("zero", "partial")
    ]
    for row in found:
        assert float(row["mean"]) == pytest.approx(float(row["paper: mean"]), abs=0.0011)
        assert bool(row["diff"]) == bool(row["paper: diff"]) == row["Network"].endswith("partial")
        if row["diff"]:
            # Differences of the same encoder and split: the smallest is 0.112, the largest 0.329.
            assert float(row["diff"]) == pytest.approx(float(row["paper: diff"]), abs=0.0016)
            low, high = map(float, row["95 % interval"].split(" to "))
            assert low < float(row["diff"]) < high


def test_classifiers_have_no_such_table(make_run, tmp_path):
    make_run(monitor="val/acc1")
    assert study(collect(tmp_path / "runs"), tmp_path) is None
