"""No failure of W&B ends or changes a training; what a kill leaves of W&B's files is moved away where it is empty."""

import csv
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import wandb
from pytorch_lightning.loggers import Logger, WandbLogger

from lightning_modules import ClassificationModule
from records import RunFolder, RunRecord, find_runs
from records.errors import UserError
from tests.support.program import ROOT, fit, main_here, refusal
from tests.support.wandb_server import KEY, WandbServer
from training import loggers
from training.callbacks import Dashboard
from training.loggers import PROJECT, of_run, set_aside_empty, wandb_logger


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
        logger = wandb_logger(folder, record)
        trainer = SimpleNamespace(loggers=[logger], is_global_zero=True)

        def show(epochs):
            recorder.rows = [{"epoch": epoch, "step": epoch + 1, "val/acc1": 1.0} for epoch in range(epochs)]
            folder.write_rows(recorder.rows)
            dashboard.on_train_epoch_end(trainer, None)

        return SimpleNamespace(show=show, logger=logger, end=lambda: dashboard.on_fit_end(trainer, None))

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


def csv_epochs(folder):
    with (folder / "metrics.csv").open() as file:
        return [(float(row["epoch"]), float(row["val/acc1"])) for row in csv.DictReader(file)]


def tensorboard_epochs(folder):
    """From the records of its files: 8 bytes of length, 4 of checksum, a message, 4 of checksum."""
    event = importlib.import_module("tensorboardX.proto.event_pb2").Event
    values = {"epoch": [], "val/acc1": []}
    for file in folder.glob("events*"):
        data = file.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            for value in event.FromString(data[12 : 12 + length]).summary.value:
                values.get(value.tag, []).append(value.simple_value)
            data = data[16 + length :]
    return [*zip(*values.values(), strict=True)]


@pytest.mark.parametrize(("kind", "read"), [("CSVLogger", csv_epochs), ("TensorBoardLogger", tensorboard_epochs)])
def test_each_epoch_is_once_in_every_logger_after_kills(kind, read, sample_tree, tmp_path, monkeypatch):
    # Files of TensorBoard's are named by their second, and all starts may lie within one.
    monkeypatch.setattr("tensorboardX.event_file_writer.time", SimpleNamespace(time=lambda: 1700000000.0))
    two = [{"class_path": kind, "init_args": {"save_dir": str(tmp_path), "name": name}} for name in ("one", "two")]
    two[1]["init_args"]["version"] = "a1"  # as its own setting
    (tmp_path / "loggers.yaml").write_text(json.dumps({"trainer": {"logger": two}}))
    every = "--run.checkpoint_every_n_steps=3"
    arguments = fit(tmp_path, sample_tree, every, "--run.id=a1", f"--config={tmp_path}/loggers.yaml")
    step, ends = ClassificationModule.training_step, [11, 17]  # in the second epoch and, from a checkpoint, the third

    def training_step(module, batch):
        if module.global_step in ends[:1]:
            raise RuntimeError("killed")
        return step(module, batch)

    monkeypatch.setattr(ClassificationModule, "training_step", training_step)
    for status in (1, 1, 0):
        assert main_here(*arguments) == status
        shown = read(tmp_path / "one" / "a1")
        if status:
            assert main_here(*arguments, "--data.eval_batch_size=8") == 2  # refused with the checkpoint loaded
            assert read(tmp_path / "one" / "a1") == shown != []
        del ends[:1]
    (run,) = find_runs(tmp_path)
    rows = [(row["epoch"], row["val/acc1"]) for row in run.read_rows()]
    assert [epoch for epoch, _ in rows] == [0, 1, 2]
    assert (
        main_here("validate", f"--config={run.path}/config.yaml", f"--ckpt_path={run.path}/checkpoints/best.ckpt") == 0
    )
    for name in ("one", "two"):
        assert np.array(read(tmp_path / name / "a1")) == pytest.approx(np.array(rows))


class Lines(Logger):
    """A logger of another package: it appends, and does not know what it has."""

    name, version, shown = "lines", "0", []

    def log_metrics(self, metrics, step=None):
        self.shown.append((int(metrics["epoch"]), step))

    def log_hyperparams(self, params):
        pass


def test_another_logger_gets_what_a_kill_kept_from_it_and_nothing_twice(tmp_path, monkeypatch):
    monkeypatch.setattr(Lines, "shown", [])
    record, recorder = RunRecord("a1", "n", "g", "net", "zero", 0, 9, "val/acc1"), SimpleNamespace()
    recorder.folder = RunFolder(tmp_path)

    def start(*epochs):
        """With so many epochs in the checkpoint, and then after each of the next ones."""
        dashboard, trainer = Dashboard(recorder, record, {}), SimpleNamespace(loggers=[Lines()], is_global_zero=True)
        hooks = [dashboard.on_fit_start, *[dashboard.on_train_epoch_end] * len(epochs)]
        for number, hook in zip(epochs, hooks, strict=False):
            recorder.rows = [{"epoch": epoch, "step": 8 * epoch} for epoch in range(number)]
            hook(trainer, None)

    start(0, 1, 2)
    start(3, 4)  # killed between the third epoch's checkpoint and its log
    start(2, 3, 4, 5)  # from an older checkpoint, where the newest was damaged
    assert Lines.shown == [(epoch, 8 * epoch) for epoch in range(5)]
    RunFolder(tmp_path).logged.unlink()  # as in the folder of an earlier version
    start(5, 6)
    assert Lines.shown[5:] == [(5, 40)]


@pytest.mark.parametrize("given", [{"offline": True}, {"mode": "offline"}, {"mode": "disabled"}])
def test_wandb_by_its_class_is_offline_where_it_was_asked_to_be(given, tmp_path, monkeypatch):
    monkeypatch.setattr(loggers, "_mode", lambda mode: mode)
    monkeypatch.setenv("WANDB_MODE", "online")
    wandb.teardown()
    record = RunRecord("a1", "net-zero-seed0", "net-zero", "net", "zero", 0, 3, "val/acc1")
    settings = of_run(WandbLogger(**given), RunFolder(tmp_path), record)._wandb_init
    wandb.teardown()
    assert settings["mode"] == given.get("mode", "offline")


def test_wandb_by_its_class_continues_the_run_too(tmp_path):
    record = RunRecord("a1", "net-zero-seed0", "net-zero", "net", "zero", 0, 3, "val/acc1")
    for given, project in (({}, PROJECT), ({"project": "mine", "tags": ["b"]}, "mine")):
        settings = of_run(WandbLogger(**given), RunFolder(tmp_path), record)._wandb_init
        assert (settings["project"], settings["id"], settings["resume"]) == (project, "a1", "allow")
        assert settings["tags"] == given.get("tags", ["net", "zero"])


@pytest.mark.parametrize("given", [{"log_model": True}, {"prefix": "a"}, {"config": {"a": 1}}, {"id": "b"}])
def test_settings_of_wandb_that_a_run_cannot_follow_are_refused(given, tmp_path):
    record = RunRecord("a1", "net-zero-seed0", "net-zero", "net", "zero", 0, 3, "val/acc1")
    with pytest.raises(UserError, match=f"WandbLogger's {next(iter(given))} would have no effect"):
        of_run(WandbLogger(**given), RunFolder(tmp_path), record)
