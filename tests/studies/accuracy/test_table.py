"""Tables 2, 3 and 5: every number of the table out of the paper's runs, and what is missing left empty."""

import csv
from itertools import product
from math import sqrt

import pytest
from matplotlib.figure import Figure

from studies.accuracy.figure import draw
from studies.accuracy.table import study_best, study_last5, table
from studies.runs import paper
from studies.runs.collect import collect
from studies.runs.statistic import BEST, LAST5

ROUNDING = 0.0011
"""How far rounding the paper's printed runs can take an average."""


@pytest.mark.parametrize(
    ("name", "statistic", "curve"),
    [
        ("table2", BEST, lambda value: [1.0, value, 2.0]),
        # The last five average to the value, whatever the first was.
        ("table3", LAST5, lambda value: [99.0, value - 1, value + 1, value, value - 2, value + 2]),
    ],
)
def test_out_of_the_papers_runs(tmp_path, make_run, name, statistic, curve):
    """Runs of two of its networks as run folders of ours: every number, and the paper's own beside it."""
    for row in (*paper.rows(name, network="resnet50"), *paper.rows(name, network="vgg19_bn")):
        for seed, value in enumerate(row["runs"]):
            make_run(row["network"], row["padding"], seed, curve(value))
    collection = collect(tmp_path / "runs")
    shown = table(collection, statistic)
    assert len(shown.rows) == 8
    for row in csv.DictReader(shown.csv().splitlines()):
        network, padding = row["Network"].rsplit("_", 1)
        printed = paper.row(name, network=network, padding=padding)
        values = [float(row[f"{number}_{statistic.column}"]) for number in range(1, 6)]
        assert values == pytest.approx(printed["runs"], abs=1e-9)
        assert float(row["average"]) == pytest.approx(printed["average"], abs=ROUNDING)
        squares = sum((value - sum(values) / 5) ** 2 for value in values)
        assert float(row["stdev"]) == pytest.approx(sqrt(squares / 4), abs=1e-9)
        assert float(row["paper: average"]) == printed["average"]
        assert row["paper: diff"] == str(printed.get("diff", ""))
    for run in collection.runs:
        run.folder.config.write_text("model: {init_args: {num_classes: 10}}\n")
    assert "paper" not in table(collect(tmp_path / "runs"), statistic).csv(), "of other data than ImageNet"


def test_without_zero_padding_and_with_one_run_there_is_neither_diff_nor_stdev(tmp_path, make_run):
    make_run(padding="partial", values=(1.0, 1 / 3))
    shown = table(collect(tmp_path), BEST)
    assert shown.csv() == "Network,1_best,average,diff,stdev,n,seeds\nresnet18_partial,1.0,1.0,,,1,0\n"
    assert shown.markdown().splitlines()[2] == "| resnet18_partial | 1.000 | 1.000 | - | - | 1 |"
    # Beside groups of more runs its row is filled up.
    for seed in (0, 1):
        make_run(seed=seed, values=(50.0 + seed,))
    make_run(padding="partial", values=(1 / 3,))
    shown = table(collect(tmp_path), BEST)
    assert shown.csv().splitlines()[2] == f"resnet18_partial,{1 / 3!r},,{1 / 3!r},{1 / 3 - 50.5!r},,1,0"
    assert shown.markdown().splitlines()[3] == "| resnet18_partial | 0.333 |  | 0.333 | -50.167 | - | 1 |"


def test_segmentation_runs_are_table_5(make_run, tmp_path):
    """mIoU has a table of its own in the paper, and none of the last five epochs; splits are not pooled."""
    for split in (0, 2):
        for padding, value in (("zero", 60.0 + split), ("partial", 61.0 + split)):
            names = {"network": "resnet50", "padding": padding, "folder": f"{split}-{padding}"}
            make_run(**names, values=(value - 5, value), monitor="val/miou", variant=f"split{split}")
    make_run("resnet50", values=(1.0, 2.0), monitor="val/miou")
    collection = collect(tmp_path / "runs")
    assert collection.networks == ("resnet50", "resnet50-split0", "resnet50-split2")
    best, last5 = study_best(collection, tmp_path), study_last5(collection, tmp_path)
    shown = (tmp_path / "table5_best.md").read_text()
    assert "| resnet50-split0_partial | 61.000 | 61.000 | +1.000 | - | 1 | 78.204 | +0.120 |" in shown
    assert "| resnet50-split2_zero | 62.000 | 62.000 | - | - | 1 | 76.583 | - |" in shown
    # Runs without a split are of other data than the paper's.
    assert "| resnet50_zero | 2.000 | 2.000 | - | - | 1 | - | - |" in shown
    assert (best.title, last5.title) == ("Best epoch of each run (Table 5)", "Average of the last five epochs")
    assert [file.name for file in last5.files] == ["last5.csv", "last5.md"]


@pytest.mark.parametrize("schemes", [2, 17])
def test_figure_1_shows_every_run_beside_its_own_network(tmp_path, make_run, schemes):
    """However many schemes there are: within the axes, and apart from the columns of the network beside it."""
    for number, network in product(range(schemes), ("a", "b")):
        make_run(network, f"extrapolate:{number}", values=(number + 1.0,), folder=f"{network}{number}")
    canvas = Figure()
    draw(collect(tmp_path / "runs")).fill(canvas)
    (axes,) = canvas.axes
    places = sorted(float(line.get_xdata()[0]) for line in axes.lines)
    assert len(places) == 2 * schemes
    low, high = axes.get_xlim()
    assert low < places[0] < places[schemes - 1] < 0.5 < places[schemes] < places[-1] < high
