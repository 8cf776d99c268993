"""accuracy, convergence and claims as commands: what they write, and what they say of runs that do not fit."""

import pytest

from studies import find


@pytest.fixture
def runs(make_run, tmp_path):
    """Two seeds of zero and partial padding, one of them of another learning rate, and an unfinished run."""
    for padding in ("zero", "partial"):
        for seed in (0, 1, 2):
            lr = 0.5 if (padding, seed) == ("partial", 1) else 0.1
            config = {"model": {"init_args": {"lr": lr, "padding": padding}}}
            values = (40.0 + seed, 45.0 + seed)
            make_run(padding=padding, seed=seed, values=values, config=config, finished=seed < 2)
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        ("accuracy", {"table2_best.csv", "table3_last5.md", "differences.csv", "figure1.svg"}),
        ("convergence", {"figure3.svg", "figure3.csv", "figure3.md"}),
        ("claims", {"claims.csv", "claims.md"}),
    ],
)
def test_files_and_warnings(command, files, runs, tmp_path, capsys):
    output = tmp_path / "out"
    assert find(command).main([str(runs), "--output", str(output)]) == 0
    assert files <= {file.name for file in output.iterdir()}
    shown = capsys.readouterr().out
    differ = "model.init_args.lr: 0.1 (zero seed 0, zero seed 1, partial seed 0)"
    assert f"warning: resnet18: the runs differ in {differ}" in shown
    assert f"left out: {runs / 'resnet18-zero-seed2'}: unfinished: 2 of 2 epochs" in shown
    for file in files:
        assert f"wrote {output / file}" in shown


def test_targets(runs, tmp_path):
    assert find("convergence").main([str(runs), "--output", str(tmp_path / "out"), "--targets", "45", "46"]) == 0
    lines = (tmp_path / "out/epochs_to_target.csv").read_text().splitlines()
    # Seed 0 reaches 45 in its second epoch, and never 46.
    assert [line.split(",")[:4] for line in lines[1:]] == [
        ["resnet18_zero", "45.0", "2 of 2", "2.0"],
        ["resnet18_partial", "45.0", "2 of 2", "2.0"],
        ["resnet18_zero", "46.0", "1 of 2", "2.0"],
        ["resnet18_partial", "46.0", "1 of 2", "2.0"],
    ]
