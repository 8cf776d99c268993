"""A start in a run folder: a damaged file that can be written anew from checkpoint or settings does not block it."""

import errno
import io
import os
import shutil
from pathlib import Path

import pytest
import yaml

from records import RunFolder, RunFolderError
from records.errors import UserError
from tests.support.program import NO_DASHBOARD, main_here, refusal, rows_without_time
from training.identity import identify
from training.start import is_finished, leaving_nothing, prepare, write_attempt


@pytest.fixture
def run(trained_pair, tmp_path) -> RunFolder:
    """A finished run of three epochs."""
    return RunFolder(shutil.copytree(trained_pair / "partial", tmp_path / "run"))


def unfinished(run):
    record = run.read_record()
    record.finished = False
    run.write_record(record)
    return record


def start(run, config=None, run_id=None):
    """The files that were set aside and the checkpoint that a start of the same run resumes from, and its record."""
    config = config or yaml.safe_load((run.path / "original.yaml").read_text())
    config["run"]["id"] = run_id
    record = identify(config)[1]
    assert not is_finished(run, record, config, None)
    checkpoint = prepare(run, None)
    write_attempt(run, record, config, None, checkpoint, {})
    return sorted(path.name for path in run.path.glob("*.bad")), checkpoint.name, run.read_record()


def replaced(old, new):
    return lambda path: path.write_bytes(path.read_bytes().replace(old, new, 1))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


HARM = {
    "flipped": replaced(b",", b"l"),
    "not UTF-8": replaced(b"e", b"\xe5"),
    "cut": cut,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
}
YAML = ("not UTF-8", "empty", "zeros")
"""What is seen in config.yaml; other settings than those of the run are written over in any case."""


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("name", ["run.json", "epochs.csv", "config.yaml"])
def test_a_damaged_file_is_kept_beside_and_written_anew(run, name, harm, caplog):
    shutil.copy(run.config, run.path / "original.yaml")
    earlier = run.path / f"{name}.bad"
    earlier.write_text("an earlier one")
    unfinished(run)
    HARM[harm](run.path / name)
    damaged = (run.path / name).read_bytes()
    files, checkpoint, record = start(run)
    assert checkpoint == "resume-0000000024.ckpt"
    assert not record.finished
    assert yaml.safe_load(run.config.read_text())["model"]
    if name == "config.yaml" and harm not in YAML:
        return
    assert files == [f"{name}.2.bad", f"{name}.bad"]
    assert (run.path / f"{name}.2.bad").read_bytes() == damaged
    assert earlier.read_text() == "an earlier one"
    (line,) = [message for message in caplog.messages if "set aside" in message]
    assert f"{name} is set aside as {name}.2.bad and written anew: " in line
    assert "\n" not in line


def test_attempts_before_the_damage_are_kept(run):
    record = run.read_record()
    record.attempts = [{"started": "1", "versions": {"torch": "2"}}, {"started": "2"}, {"started": "3"}]
    run.write_record(record)
    shutil.copy(run.config, run.path / "original.yaml")
    replaced(b'"started": "3"', b'"started: "3"')(run.record_file)
    assert [attempt["started"] for attempt in start(run)[2].attempts[:-1]] == ["1", "2"]


def not_readable(monkeypatch, name, number):
    def refuse(file, *arguments, **how):
        if Path(str(file)).name == name:
            raise OSError(number, os.strerror(number))
        return io_open(file, *arguments, **how)

    io_open = io.open
    for opener in ("builtins.open", "io.open"):
        monkeypatch.setattr(opener, refuse)


def test_a_refused_resume_changes_no_file(run, capsys, monkeypatch):
    """Not even the list of the data where it may be written anew."""
    record = unfinished(run)
    run.data_files.unlink()
    home = run.path.rename(run.path.parent / f"{record.name}-{record.id}")
    before = {path: path.read_bytes() for path in home.glob("*.*")}
    command = [f"--config={home / 'config.yaml'}", NO_DASHBOARD, f"--run.root={home.parent}"]
    assert "data.eval_batch_size was 16 and is 5" in refusal(capsys, "fit", *command, "--data.eval_batch_size=5")
    not_readable(monkeypatch, "best.ckpt", errno.EIO)
    assert "best.ckpt cannot be read: Input/output error" in refusal(capsys, "fit", *command)
    monkeypatch.undo()
    assert {path: path.read_bytes() for path in home.glob("*.*")} == before


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.ESTALE], ids=errno.errorcode.get)
@pytest.mark.parametrize("name", ["run.json", "epochs.csv", "config.yaml"])
def test_what_the_system_does_not_let_be_read_is_no_damage(run, name, number, monkeypatch):
    shutil.copy(run.config, run.path / "original.yaml")
    unfinished(run)
    not_readable(monkeypatch, name, number)
    with pytest.raises(UserError, match=rf"{name} cannot be read: {os.strerror(number)}; it stays as it is"):
        start(run)
    assert not list(run.path.glob("*.bad"))


def test_temporary_files_of_killed_writes_go(run):
    shutil.copy(run.config, run.path / "original.yaml")
    run.evaluations.mkdir(exist_ok=True)
    left = [folder / ".file.abc.tmp" for folder in (run.path, run.checkpoints, run.evaluations)]
    for path in left:
        path.write_text("half")
    run.epochs.unlink()
    start(run)
    assert not any(path.exists() for path in left)


def test_a_finished_run_gets_its_files_back(run, caplog):
    rows = rows_without_time(run)
    home = run.path.parent / "runs" / f"{run.read_record().name}-{run.read_record().id}"
    home.parent.mkdir()
    run.path.rename(home)
    run = RunFolder(home)
    command = ["fit", f"--config={run.config}", NO_DASHBOARD, f"--run.root={home.parent}"]
    for harm in (lambda: cut(run.epochs), lambda: run.epochs.unlink(), lambda: cut(run.record_file)):
        harm()
        caplog.clear()
        assert main_here(*command) == 0
        assert "resuming from" in caplog.text
        assert rows_without_time(run) == rows
        assert run.read_record().finished
    assert main_here(*command) == 0
    assert f"already finished: {home}, 3 epochs" in caplog.text


@pytest.mark.parametrize("harm", [cut, lambda path: path.unlink()])
def test_another_runs_settings_are_refused_without_run_json(run, harm):
    """By config.yaml; and without that one, too, unless the folder's name is the hash of the settings."""
    shutil.copy(run.config, run.path / "original.yaml")
    other = yaml.safe_load(run.config.read_text())
    other["model"]["init_args"]["lr"] = 0.7
    harm(run.record_file)
    with pytest.raises(UserError, match=r"other settings \(model.init_args.lr: 0.05 -> 0.7\)"):
        start(run, other, run_id="mine")
    run.config.write_text("")
    with pytest.raises(UserError, match=r"config.yaml is missing or damaged, so which one cannot be known"):
        start(run, run_id="mine")
    assert not list(run.path.glob("*.bad"))
    assert start(run)[1] == "resume-0000000024.ckpt"


def test_nothing_is_trained_over_weights_that_no_checkpoint_continues(run):
    shutil.copy(run.config, run.path / "original.yaml")
    for path in run.checkpoints.glob("resume-*"):
        path.unlink()
    cut(run.epochs)
    with pytest.raises(RunFolderError, match=r"damaged rows: .*epochs.csv"):
        start(run)
    cut(run.record_file)
    with pytest.raises(RunFolderError, match=r"run.json is damaged or missing, and no resume checkpoint is left"):
        start(run)


def test_a_refused_start_leaves_what_another_process_made_meanwhile(tmp_path):
    folder = RunFolder(tmp_path / "runs/run")

    @leaving_nothing(folder)
    def start():
        folder.checkpoints.mkdir(parents=True)
        raise UserError("another process is training")

    with pytest.raises(UserError):
        start()
    assert folder.checkpoints.is_dir()
