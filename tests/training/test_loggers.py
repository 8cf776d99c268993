"""No failure of W&B ends or changes a training; what a kill leaves of W&B's files is moved away where it is empty."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb

from records import RunFolder, RunRecord
from tests.support.program import ROOT, fit, refusal
from tests.support.wandb_server import KEY, WandbServer
from training import loggers
from training.callbacks import Dashboard
from training.loggers import PROJECT, set_aside_empty, wandb_logger


def test_only_attempts_without_a_record_are_set_aside(tmp_path):
    contents = {"offline-run-1": b":W&B..\0record", "offline-run-2": b":W&B..\0", "offline-run-3": b"", "run-4": b""}
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "run-id.wandb").write_bytes(content)
    (tmp_path / "offline-run-5").mkdir()
    assert [path.name for path in set_aside_empty(tmp_path)] == [
        "empty-offline-run-2",
        "empty-offline-run-3",
        "empty-offline-run-5",
    ]
    assert sorted(path.name for path in tmp_path.glob("offline-run-*")) == ["offline-run-1"]
    assert (tmp_path / "empty-offline-run-2/run-id.wandb").read_bytes() == contents["offline-run-2"]
    assert set_aside_empty(tmp_path) == []
    # Killed within one second, the next attempts have the same name.
    for count in (2, 3):
        (tmp_path / "offline-run-2").mkdir()
        assert [path.name for path in set_aside_empty(tmp_path)] == [f"empty-offline-run-2-{count}"]
    assert set_aside_empty(tmp_path / "none") == []


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A run folder with its dashboard; `show(n)` shows its first n epochs. The client's service ends with the test."""
    monkeypatch.setitem(loggers.PATIENCE, "init_timeout", 1.0)
    folder = RunFolder(tmp_path / "run")
    folder.checkpoints.mkdir(parents=True)
    record = RunRecord("a1", "net-zero-seed0", "net-zero", "net", "zero", 0, 3, "val/acc1")
    folder.write_record(record)
    folder.config.write_text("model: {}\n")

    def start():
        wandb.teardown()
        wandb.run = None  # `wandb.login` does nothing after a run that was not finished
        recorder = SimpleNamespace(folder=folder, rows=[])
        dashboard = Dashboard(recorder, record, {})
        trainer = SimpleNamespace(logger=wandb_logger(folder, record), is_global_zero=True)

        def show(epochs):
            recorder.rows = [{"epoch": epoch, "step": epoch + 1, "val/acc1": 1.0} for epoch in range(epochs)]
            folder.write_rows(recorder.rows)
            dashboard.on_train_epoch_end(trainer, None)

        return SimpleNamespace(show=show, logger=trainer.logger, end=lambda: dashboard.on_fit_end(trainer, None))

    yield SimpleNamespace(start=start, folder=folder, files=folder.path / "wandb")
    wandb.teardown()


def said_by_us(caplog):
    return "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("pytorch_lightning"))


def kill_service():
    children = subprocess.run(["pgrep", "-P", str(os.getpid()), "wandb-core"], capture_output=True, text=True).stdout
    for pid in children.split():
        os.kill(int(pid), signal.SIGKILL)


def epochs_offline(run):
    """Epochs on the curve that `wandb sync` of all offline files gives."""
    wandb.teardown()
    shown = []
    for attempt in run.files.glob("offline-run-*"):
        command = [str(Path(sys.executable).with_name("wandb")), "leet", "inspect", "--json", str(attempt)]
        lines = map(json.loads, subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
        shown += [
            line["history"]["item"]["epoch"] for line in lines if "epoch" in line.get("history", {}).get("item", {})
        ]
    return sorted(map(int, shown))


def test_a_client_that_is_killed_is_replaced_and_no_epoch_is_lost_or_doubled(run, caplog):
    attempt = run.start()
    attempt.show(1)
    for epochs in (2, 3):
        kill_service()
        time.sleep(0.2)
        attempt.show(epochs)
    attempt.end()
    assert epochs_offline(run) == [0, 1, 2]
    said = said_by_us(caplog)
    assert said.count("W&B failed") == 2
    assert f"wandb sync {run.files}/offline-run-*" in said


def test_a_server_that_cannot_be_reached_costs_seconds_and_its_epochs_are_shown_once_it_can(run, monkeypatch, caplog):
    for name, value in {"WANDB_MODE": "online", "WANDB_API_KEY": KEY, "WANDB_BASE_URL": "http://127.0.0.1:9"}.items():
        monkeypatch.setenv(name, value)
    attempt = run.start()
    attempt.show(2)
    attempt.end()
    said = said_by_us(caplog)
    assert said.count("W&B failed") == said.count("training goes on, logged offline") == 1
    assert epochs_offline(run) == [0, 1]

    with WandbServer() as server:
        for name, value in server.environment(run.folder.path.parent / "home").items():
            monkeypatch.setenv(name, value)
        attempt = run.start()
        attempt.show(3)
        kill_service()
        time.sleep(0.2)
        attempt.show(4)
        attempt.end()
        (logged,) = server.world.projects["lab", PROJECT].runs.values()
        assert [point["epoch"] for point in logged.history() if "epoch" in point] == [0, 1, 2, 3]
        assert server.unknown == []
    # `wandb sync`, which was advised, would show the first two again.
    assert [path.name.partition("-run-")[0] for path in run.files.glob("*offline-run-*")] == ["shown-offline"]


def test_a_full_disk_is_said_once_and_what_it_prevented_is_logged_when_there_is_space(run, monkeypatch, caplog):
    attempt = run.start()
    attempt.show(1)
    with monkeypatch.context() as patch:
        patch.setattr(loggers, "write_problem", lambda folder, size: "No space left on device")
        attempt.show(2)
        attempt.show(3)
    said = said_by_us(caplog)
    assert said.count(f"{run.files}: No space left on device") == 1
    attempt.show(4)
    attempt.end()
    assert epochs_offline(run) == [0, 1, 2, 3]


def test_without_a_place_for_its_files_training_goes_on_without_wandb(run, caplog):
    run.files.write_text("a file where W&B has its folder")
    attempt = run.start()
    attempt.show(2)
    attempt.end()
    said = said_by_us(caplog)
    assert said.count("W&B failed") == 1
    assert f"{run.files}: Not a directory): training goes on, without W&B" in said


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("WANDB_MODE", "onlin", "mode is 'onlin': Input should be 'online', 'offline'"),
        ("WANDB_PROJECT", "a/b", "Invalid project name 'a/b'"),
        ("WANDB_PROJECT", "x" * 129, "exceeded 128 characters"),
        ("WANDB_BASE_URL", "here", "base_url is 'here'"),
        ("WANDB_INIT_TIMEOUT", "soon", "init_timeout is 'soon'"),
        ("WANDB_API_KEY", "short", "WANDB_API_KEY invalid"),
    ],
)
def test_wrong_settings_are_refused_in_one_line_before_anything_is_written(
    variable, value, message, sample_tree, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("WANDB_MODE", "online")
    monkeypatch.setenv(variable, value)
    wandb.teardown()
    error = refusal(capsys, *fit(tmp_path / "runs", sample_tree))
    wandb.teardown()
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()
