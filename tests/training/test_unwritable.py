"""Places that cannot be written are found before the work, and a disk that fills up in it is one message."""

import errno
import os
import re
import shutil
import tempfile

import pytest
from pytorch_lightning.loggers import TensorBoardLogger, csv_logs

from records import RunFolder, find_runs
from tests.support.program import NO_DASHBOARD, ROOT, fit, main_here, only_run, refusal, rows_without_time

SHORT = ["--trainer.max_epochs=1", "--trainer.limit_train_batches=2", "--trainer.limit_val_batches=1", NO_DASHBOARD]


@pytest.fixture
def refuse(monkeypatch):
    """Makes the system refuse new files whose name begins with `name`, in folders whose path ends with `folder`."""
    make = tempfile.mkstemp

    def after(name, code, folder=""):
        def made(*arguments, prefix="", dir=None, **options):
            if prefix.startswith(f".{name}") and str(dir).endswith(folder):
                raise OSError(code, os.strerror(code))
            return make(*arguments, prefix=prefix, dir=dir, **options)

        monkeypatch.setattr(tempfile, "mkstemp", made)

    return after


@pytest.fixture
def runs(trained_pair, tmp_path):
    """A copy without records."""
    return shutil.copytree(trained_pair, tmp_path / "runs", ignore=shutil.ignore_patterns("evaluations", "report"))


def of_run(command, run, *options):
    return [command, f"--config={run}/config.yaml", NO_DASHBOARD, f"--ckpt_path={run}/checkpoints/best.ckpt", *options]


@pytest.mark.parametrize("name", ["config.yaml", "run.json", "padding.json", "epochs.csv", "best.ckpt", "resume-"])
def test_a_training_on_a_full_disk_ends_with_one_line_and_goes_on_later(name, refuse, sample_tree, tmp_path, capsys):
    arguments = fit(tmp_path / "runs", sample_tree, *SHORT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "mkstemp", tempfile.mkstemp)
        refuse(name, errno.ENOSPC)
        assert main_here(*arguments) == 1
    error = capsys.readouterr().err
    assert f"/{name}" in error
    assert "cannot be written: No space left on device (" in error
    assert "Traceback" not in error
    assert main_here(*arguments) == 0
    folder = only_run(tmp_path / "runs")
    assert folder.read_record().finished
    assert len(rows_without_time(folder)) == 1
    assert not list(folder.path.rglob(".*.tmp"))


@pytest.mark.parametrize(
    ("kind", "writer"), [("CSVLogger", csv_logs.ExperimentWriter), ("TensorBoardLogger", TensorBoardLogger)]
)
def test_a_logger_that_cannot_write_is_refused_first_and_later_ends_the_training_with_one_line(
    kind, writer, sample_tree, tmp_path, monkeypatch, capsys
):
    arguments = [*fit(tmp_path / "runs", sample_tree, *SHORT[:-1]), f"--trainer.logger={kind}"]
    (tmp_path / "file").touch()
    error = refusal(capsys, *arguments, f"--trainer.logger.save_dir={tmp_path}/file")
    assert re.search(r"/file/lightning_logs/\w+ cannot be written: Not a directory; choose another save_dir", error)
    assert not (tmp_path / "runs").exists()

    def full(writer):
        if only_run(tmp_path / "runs").read_rows():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(writer, "save", full)
        assert main_here(*arguments, f"--trainer.logger.save_dir={tmp_path}/logs") == 1
    error = capsys.readouterr().err
    assert re.search(r"/logs\S* cannot be written: No space left on device", error)
    assert "Traceback" not in error
    assert main_here(*arguments, f"--trainer.logger.save_dir={tmp_path}/logs") == 0


@pytest.mark.parametrize(
    ("command", "name", "options"),
    [
        ("validate", "best-zero-cropped", []),
        (
            "predict",
            "predictions.csv",
            ["--data.predict_folder={tree}/val", "--prediction.output={out}/predictions.csv"],
        ),
    ],
)
def test_an_evaluation_on_a_full_disk_ends_with_one_line(
    command, name, options, refuse, runs, sample_tree, tmp_path, capsys
):
    refuse(name, errno.ENOSPC)
    options = [option.format(tree=sample_tree, out=tmp_path / "new") for option in options]
    assert main_here(*of_run(command, runs / "zero", *options)) == 1
    error = capsys.readouterr().err
    assert f"/{name}" in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["cross-test"], "images-"),
        (["activations", "--count=1"], "activations-"),
        (["activations", "--count=1"], "figure5.png"),
        (["report"], "figure3.svg"),
        (["report"], "table2_best.csv"),
        (["report"], "report.html"),
    ],
)
def test_a_study_on_a_full_disk_ends_with_one_line(arguments, name, refuse, runs, capsys):
    refuse(name, errno.EROFS)
    command, *options = arguments
    assert main_here(command, str(runs), *options) == 1
    error = capsys.readouterr().err
    assert f"/{name}" in error
    assert "cannot be written: Read-only file system; earlier files are unchanged" in error
    assert "Traceback" not in error


@pytest.fixture
def nothing_runs(monkeypatch):
    """No network may be called: what is refused must be refused before."""
    from lightning_modules.padded_network import PaddedNetworkModule

    def forward(*_):
        raise AssertionError("the network was called")

    monkeypatch.setattr(PaddedNetworkModule, "forward", forward)


@pytest.mark.usefixtures("nothing_runs")
def test_what_keeps_its_result_in_a_run_folder_asks_it_first(refuse, runs, trained_scenes, capsys):
    refuse("check", errno.EROFS, "zero")
    refuse_line = "zero/evaluations cannot be written: Read-only file system"
    assert refuse_line in refusal(capsys, *of_run("validate", runs / "zero"))
    for command in ("cross-test", "activations"):
        shutil.rmtree(runs / "partial", ignore_errors=True)
        assert main_here(command, str(runs)) in (1, 2)
        assert refuse_line.removeprefix("zero/") in "".join(capsys.readouterr())
    refuse("check", errno.EROFS, trained_scenes.path.name)
    assert "a copy of best.ckpt elsewhere" in refusal(capsys, *of_run("test", trained_scenes.path))


@pytest.mark.usefixtures("nothing_runs")
def test_predict_asks_its_output_first_and_makes_a_missing_folder(runs, sample_tree, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").touch()
    images = next((sample_tree / "val").iterdir())
    predict = of_run("predict", runs / "zero", f"--data.predict_folder={images}")
    error = refusal(capsys, *predict, f"--prediction.output={tmp_path}/file/below/out.csv")
    assert "file/below cannot be written: Not a directory; choose another --prediction.output" in error
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    assert main_here(*predict, f"--prediction.output={tmp_path}/new/folder/out.csv") == 0
    assert (tmp_path / "new/folder/out.csv").is_file()


def test_a_study_asks_its_output_first(runs, tmp_path, capsys):
    (tmp_path / "file").touch()
    for command in ("report", "accuracy"):
        error = refusal(capsys, command, str(runs), f"--output={tmp_path}/file/below")
        assert "file/below cannot be written: Not a directory; choose another folder with --output" in error
    assert find_runs(runs)
    assert not RunFolder(runs / "zero").evaluations.exists()
