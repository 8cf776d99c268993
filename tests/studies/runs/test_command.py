"""accuracy, convergence and claims as commands: what they write, and what they say of runs that do not fit."""

import pytest
import yaml

from records import RunFolder, RunRecord
from records.errors import UserError
from studies.accuracy import command as accuracy
from studies.claims import command as claims
from studies.convergence import command as convergence


@pytest.fixture
def runs(tmp_path):
    """Two seeds of zero and partial padding, one of them of another learning rate, and an unfinished run."""
    for padding in ("zero", "partial"):
        for seed in (0, 1, 2):
            folder = RunFolder(tmp_path / "runs" / f"{padding}{seed}")
            record = RunRecord(f"{padding}{seed}", "run", "group", "resnet18", padding, seed, 2, "val/acc1")
            record.finished = seed < 2
            folder.write_record(record)
            folder.write_rows(
                [{"epoch": epoch, "step": epoch, "val/acc1": 40.0 + 5 * epoch + seed} for epoch in (0, 1)]
            )
            lr = 0.5 if (padding, seed) == ("partial", 1) else 0.1
            folder.config.write_text(yaml.safe_dump({"model": {"init_args": {"lr": lr, "padding": padding}}}))
    return tmp_path / "runs"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (accuracy, {"table2_best.csv", "table3_last5.md", "differences.svg", "figure1.svg"}),
        (convergence, {"figure3.svg", "figure3.csv", "area_between_curves.md"}),
        (claims, {"claims.csv", "claims.md", "claims.svg"}),
    ],
    ids=["accuracy", "convergence", "claims"],
)
def test_it_writes_its_files_and_says_what_does_not_fit(command, files, runs, tmp_path, capsys):
    output = tmp_path / "out"
    assert command.main([str(runs), "--output", str(output)]) == 0
    assert files <= {file.name for file in output.iterdir()}
    shown = capsys.readouterr().out
    assert (
        "warning: resnet18: the runs differ in model.init_args.lr: 0.1 (zero seed 0, zero seed 1, partial seed 0)"
        in shown
    )
    assert f"left out: {runs / 'zero2'}: unfinished: 2 of 2 epochs" in shown
    for file in files:
        assert f"wrote {output / file}" in shown


def test_targets_can_be_asked_for(runs, tmp_path, capsys):
    assert convergence.main([str(runs), "--output", str(tmp_path / "out"), "--targets", "45", "46"]) == 0
    lines = (tmp_path / "out/epochs_to_target.csv").read_text().splitlines()
    # Seed 0 reaches 45 in its second epoch, and never 46.
    assert [line.split(",")[:4] for line in lines[1:]] == [
        ["resnet18_zero", "45.0", "2 of 2", "2.0"],
        ["resnet18_partial", "45.0", "2 of 2", "2.0"],
        ["resnet18_zero", "46.0", "1 of 2", "2.0"],
        ["resnet18_partial", "46.0", "1 of 2", "2.0"],
    ]


def test_a_folder_that_cannot_be_written_is_one_message(runs, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written.*--output"):
        accuracy.main([str(runs), "--output", str(tmp_path / "file")])
