"""The sentences that open the report."""

from studies.report import summary
from studies.runs.collect import collect


def test_they_presume_no_winner_and_admit_single_runs(tmp_path, make_run):
    make_run(values=(50.0,))
    make_run(padding="partial", values=(49.0,))
    make_run("vgg11", "reflect", values=(1.0,))
    make_run("vgg13", "zero", values=(1.0,))
    said = summary.sentences(collect(tmp_path))
    assert "4 finished runs of 3 architectures" in said[0]
    assert said[1].startswith("resnet18: partial minus zero is -1.00 points by the best epoch")
    assert "by the average of all epochs, five at most (n = 1)" in said[1]
    assert "interval" not in said[1]
    assert "no finished run with zero padding" in said[2]
    assert "nothing to compare it with" in said[3]
    assert "nothing tells its difference from chance" in said[4]
