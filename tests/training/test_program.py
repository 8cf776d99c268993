"""The program as a user meets it: bad input gets one message and a status, results can be read back."""

import contextlib
import csv
import json
import re
import shutil

import pytest
import torch
import yaml
from timm.models import _registry

from records import RunFolder
from tests.support.program import NO_DASHBOARD, ROOT, fit, killed, main_here, only_run, refusal, start_of
from tests.support.same_end import assert_same_end


@pytest.fixture(scope="module")
def trained(sample_tree, tmp_path_factory) -> RunFolder:
    root = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(ROOT):
        arguments = fit(root, sample_tree, NO_DASHBOARD, "--trainer.max_epochs=7", "--model.padding=partial")
        assert main_here(*arguments) == 0
    return only_run(root)


def test_help_lists_the_commands(capsys):
    assert main_here("--help") == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("fit", "validate", "test", "predict", "sweep", "report"))
    assert main_here() == 2
    assert main_here("fitt") == 2


def test_a_run_folder_holds_what_a_study_needs(trained):
    record = trained.read_record()
    assert record.finished
    assert record.attempts[0]["versions"]["torch"] == torch.__version__
    assert {"command", "commit", "host", "resumed_from"} <= record.attempts[0].keys()
    assert len(json.loads(trained.padding_report.read_text())["converted"]) == 9
    rows = trained.read_rows()
    assert [row["epoch"] for row in rows] == list(range(7))
    wanted = {"epoch", "step", "lr", "train/loss", "train/acc1", "val/loss", "val/acc1", "val/acc5", "seconds"}
    assert rows[0].keys() == wanted
    assert [row["lr"] for row in rows] == pytest.approx([0.05, 0.05, 0.005, 0.005, 0.005, 0.005, 0.005])
    names = sorted(path.name for path in trained.checkpoints.glob("*.ckpt"))
    assert names == ["best.ckpt", *(f"epoch-{e:03d}.ckpt" for e in range(2, 7)), *names[-2:]]
    best = max(rows, key=lambda row: (row["val/acc1"], -row["epoch"]))
    assert torch.load(trained.checkpoints / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]


def test_the_saved_configuration_is_the_same_run(trained, caplog):
    saved = yaml.safe_load(trained.config.read_text())
    assert saved["model"]["init_args"]["padding"] == "partial"
    assert main_here("fit", "--config", str(trained.config)) == 0
    assert "already finished" in caplog.text


def test_other_settings_under_the_same_id_are_refused(trained, sample_tree, capsys):
    arguments = [f"--config={trained.config}", f"--run.id={trained.read_record().id}", "--model.lr=0.2"]
    assert "model.init_args.lr: 0.05 -> 0.2" in refusal(capsys, "fit", *arguments)
    assert f"{trained.path} has the id" in refusal(capsys, "fit", *arguments[:2], "--model.padding=zero")


def test_validate_reproduces_the_row_and_cross_tests(trained, capsys):
    arguments = ["validate", "--config", str(trained.config), "--trainer.logger=false"]
    best = f"--ckpt_path={trained.checkpoints}/best.ckpt"
    assert main_here(*arguments, f"--ckpt_path={trained.checkpoints}/epoch-006.ckpt") == 0
    own = float(re.search(r"val/acc1\W+([\d.]+)", capsys.readouterr().out)[1])
    assert own == pytest.approx(trained.read_rows()[-1]["val/acc1"], rel=1e-6)
    assert "--model.padding_at_test=zero" in refusal(capsys, *arguments, best, "--model.padding=zero")
    assert main_here(*arguments, best, "--model.padding_at_test=zero") == 0
    assert "val/acc1" in capsys.readouterr().out


def test_predict_writes_one_line_an_image_and_never_overwrites(trained, sample_tree, tmp_path, capsys):
    folder, output = next((sample_tree / "val").iterdir()), tmp_path / "predictions.csv"
    arguments = ["predict", "--config", str(trained.config), f"--data.predict_folder={folder}"]
    arguments += [f"--ckpt_path={trained.checkpoints}/best.ckpt", f"--prediction.output={output}"]
    assert main_here(*arguments) == 0, capsys.readouterr().err
    with open(output) as file:
        lines = list(csv.DictReader(file))
    assert sorted(line["path"] for line in lines) == sorted(str(path) for path in folder.iterdir())
    assert all(float(a["probability1"]) >= float(a["probability2"]) for a in lines)
    before = output.read_bytes()
    assert "exists" in refusal(capsys, *arguments)
    assert output.read_bytes() == before


def test_a_damaged_newest_checkpoint_is_set_aside(trained, tmp_path, caplog):
    folder = RunFolder(shutil.copytree(trained.path, tmp_path / trained.path.name))
    record = folder.read_record()
    record.finished = False
    folder.write_record(record)
    newest = sorted(folder.checkpoints.glob("resume-*.ckpt"))[-1]
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    assert main_here("fit", f"--config={trained.config}", NO_DASHBOARD, f"--run.root={tmp_path}") == 0
    assert "damaged" in caplog.text
    assert start_of(caplog.text) == ("resume-0000000048.ckpt", 48)
    assert newest.with_suffix(".ckpt.bad").read_bytes() == content
    assert_same_end(trained, folder)  # in another folder than the one that the checkpoint was saved in
    assert "lost" not in caplog.text


@pytest.mark.parametrize("command", ["fit", "validate", "test", "predict"])
def test_a_damaged_checkpoint_is_refused_before_anything_is_built(command, trained, tmp_path, capsys):
    name = "resume-0000000056.ckpt" if command == "fit" else "best.ckpt"
    content = bytearray((trained.checkpoints / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    arguments = [command, f"--config={trained.config}", NO_DASHBOARD, f"--ckpt_path={tmp_path / name}"]
    arguments += [f"--run.root={tmp_path}"] if command == "fit" else []
    message = refusal(capsys, *arguments)
    assert message.startswith(f"error: {tmp_path / name} is damaged")
    assert message.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_ckpt_path_never_overwrites_progress(trained, capsys):
    before = {path: path.read_bytes() for path in trained.path.glob("*.*")}
    resume = sorted(trained.checkpoints.glob("resume-*.ckpt"))[0]
    arguments = ["fit", f"--config={trained.config}", NO_DASHBOARD, f"--ckpt_path={resume}"]
    assert "--run.id=NAME" in refusal(capsys, *arguments)
    assert {path: path.read_bytes() for path in trained.path.glob("*.*")} == before


def test_ckpt_path_works_as_in_lightning(trained, sample_tree, tmp_path, caplog):
    given = shutil.copytree(trained.checkpoints, tmp_path / "given")
    resume = sorted(given.glob("resume-*.ckpt"))[-1]
    arguments = fit(tmp_path, sample_tree, NO_DASHBOARD, "--trainer.max_epochs=8", "--model.padding=partial")
    arguments += [f"--ckpt_path={resume}", "--run.checkpoint_every_n_steps=2"]
    killed("step", 5, *arguments)
    shutil.rmtree(given)  # a run that goes on deletes its older checkpoints
    assert main_here(*arguments) == 0
    assert start_of(caplog.text) == ("resume-0000000060.ckpt", 60)
    assert main_here(*arguments) == 0
    assert "already finished" in caplog.text
    new = only_run(tmp_path)
    assert [row["epoch"] for row in new.read_rows()] == list(range(8))
    names = {path.name for path in new.checkpoints.glob("[!r]*.ckpt")}
    assert names == {"best.ckpt", *(f"epoch-{e:03d}.ckpt" for e in range(3, 8))}
    best = max(new.read_rows(), key=lambda row: (row["val/acc1"], -row["epoch"]))
    assert torch.load(new.checkpoints / "best.ckpt", weights_only=True)["epoch"] == best["epoch"]


class PaddingInside(torch.nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem, self.head = torch.nn.Conv2d(3, 8, 3, padding=1), torch.nn.Conv2d(8, num_classes, 3)

    def forward(self, x):
        return self.head(torch.nn.functional.pad(self.stem(x), (1, 1, 1, 1))).mean((2, 3))


def test_padding_inside_a_forward_is_said_in_training_and_in_a_cross_test(tmp_path, sample_tree, monkeypatch):
    """Of a network that this project does not know: `fit` runs it once on a training image, `test` on a first batch."""
    monkeypatch.setitem(_registry._model_entrypoints, "inside", lambda num_classes=10, **_: PaddingInside(num_classes))
    options = ["--model.network=inside", "--model.padding=partial", "--trainer.max_steps=1", NO_DASHBOARD]
    with pytest.warns(UserWarning, match="'partial'.*\n.*NOT CONVERTED, still padded with zeros: 1 PaddingInside"):
        assert main_here(*fit(tmp_path, sample_tree, *options)) == 0
    run = only_run(tmp_path)
    report = json.loads(run.padding_report.read_text())
    assert (report["converted"], report["unsupported"], report["unseen"]) == (["stem"], [""], [])
    assert report["reasons"][""] == "inside its forward: pads (1, 1, 1, 1) with zeros, read by a convolution"
    tested = ["test", f"--config={run.config}", f"--ckpt_path={run.checkpoints / 'best.ckpt'}"]
    with pytest.warns(UserWarning, match="'circular'.*\n.*NOT CONVERTED, still padded with zeros: 1 PaddingInside"):
        assert main_here(*tested, "--model.padding_at_test=circular") == 0


class PadsByARun(torch.nn.Module):
    """That `pad` belongs to `head` is only seen by running it."""

    def __init__(self, num_classes):
        super().__init__()
        self.head, self.stem = torch.nn.Conv2d(8, num_classes, 3), torch.nn.Conv2d(3, 8, 3, padding=1)
        self.pad = torch.nn.ZeroPad2d(1)

    def forward(self, x):
        return self.head(self.pad(self.stem(x).relu())).mean((2, 3))


def test_evaluation_sees_the_network_that_was_trained_where_only_a_run_pairs_its_padding(
    tmp_path, sample_tree, monkeypatch, capsys
):
    monkeypatch.setitem(_registry._model_entrypoints, "by_a_run", lambda num_classes=10, **_: PadsByARun(num_classes))
    options = ["--model.network=by_a_run", "--model.padding=partial", "--trainer.max_epochs=1", NO_DASHBOARD]
    assert main_here(*fit(tmp_path, sample_tree, *options)) == 0
    run = only_run(tmp_path)
    report, trained_with = json.loads(run.padding_report.read_text()), run.read_rows()[-1]["val/loss"]
    assert (report["converted"], report["unsupported"]) == (["stem"], ["pad"])
    weights = f"--ckpt_path={run.checkpoints / 'best.ckpt'}"
    for command, metric in (("validate", "val/loss"), ("test", "test/loss")):
        capsys.readouterr()
        assert main_here(command, f"--config={run.config}", NO_DASHBOARD, weights) == 0
        found = float(re.search(rf"{metric}\W+([\d.]+)", capsys.readouterr().out)[1])
        assert found == pytest.approx(trained_with, rel=1e-6)


def test_early_stopping_on_a_metric_that_an_epoch_lacks_ends_with_one_line(tmp_path, sample_tree, capsys):
    stopping = "{class_path: pytorch_lightning.callbacks.EarlyStopping, init_args: {monitor: val/acc1, %s}}"
    stopping = f"--trainer.callbacks=[{stopping % 'check_on_train_epoch_end: true'}]"
    command = fit(tmp_path, sample_tree, NO_DASHBOARD, stopping, "--trainer.check_val_every_n_epoch=2")
    assert main_here(*command) == 1
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if "error:" in line]
    assert "trainer.callbacks: EarlyStopping monitors a metric that epoch 1 does not have: " in line
    assert "`val/acc1`" in line
    assert "Traceback" not in said
