"""A training that begins from weights: where from is recorded, and a resume has no use for the file."""

import shutil

import pytest
import torch

from lightning_modules import padded_network
from tests.support.program import NO_DASHBOARD, ROOT, fit, main_here, newest_checkpoint, only_run, refusal

SHORT = ["--trainer.max_epochs=2", "--trainer.limit_train_batches=1", "--trainer.limit_val_batches=1", NO_DASHBOARD]


@pytest.fixture
def source(trained_pair, tmp_path):
    """Weights trained with zero padding."""
    return shutil.copy(trained_pair / "zero/checkpoints/best.ckpt", tmp_path / "source.ckpt")


@pytest.fixture
def start(sample_tree, tmp_path):
    """The arguments of a training that changes no weight, with partial padding."""
    as_it_was = ["--model.padding=partial", "--model.lr=1e-30"]
    return lambda *more: fit(tmp_path / "runs", sample_tree, *SHORT, *as_it_was, *more)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_weights_of_another_scheme_begin_a_run_that_goes_on_without_their_file(
    source, start, tmp_path, caplog, monkeypatch, capsys
):
    arguments = start(f"--model.init_from={source}")
    assert main_here(*arguments) == 0
    assert f"initial weights from {source} (tiny_resnet10, trained with zero padding)" in caplog.text
    folder, given = only_run(tmp_path / "runs"), torch.load(source, weights_only=True)["state_dict"]
    trained = newest_checkpoint(folder)["state_dict"]
    assert all(torch.equal(trained[key], given[key]) for key in given if key.endswith((".weight", ".bias")))
    assert str(source) in folder.config.read_text()
    first = folder.read_record().attempts[0]["init_from_sha256"]

    # As after a kill in the second epoch, and with the file gone.
    record = folder.read_record()
    record.finished = False
    folder.write_record(record)
    sorted(folder.checkpoints.glob("resume-*.ckpt"))[-1].unlink()
    moved = source.rename(tmp_path / "moved.ckpt")
    monkeypatch.setattr(padded_network, "load_initial_weights", None)
    assert main_here(*arguments) == 0
    assert "resuming from" in caplog.text
    assert len(folder.read_rows()) == 2

    # Another file of the name would be another run; so the advice makes one.
    monkeypatch.undo()
    monkeypatch.chdir(ROOT)
    torch.save({**torch.load(moved, weights_only=True), "more": 1}, source)
    said = refusal(capsys, *arguments)
    assert f"SHA-256 {first[:8]}, now" in said
    assert "--run.id=NAME" in said
    assert main_here(*arguments, "--run.id=NAME", "--trainer.max_epochs=1") == 0


def test_advice_to_begin_from_weights_works(trained_pair, start, capsys):
    best, resume = trained_pair / "zero/checkpoints/best.ckpt", next(trained_pair.glob("zero/checkpoints/resume-*"))
    assert f"--model.init_from={best} starts one" in refusal(capsys, *start(f"--ckpt_path={best}"))
    said = refusal(capsys, *start(f"--ckpt_path={resume}", "--model.lr=0.1"))
    assert "to train its weights with that, give it as --model.init_from" in said
    said = refusal(capsys, *start(f"--ckpt_path={resume}", "--model.padding=zero", "--model.lr=0.1"))
    assert "lr: 0.05 -> 0.1). Give the options it was trained with, or start a training from its weights: " in said
    assert main_here(*start(f"--model.init_from={resume}", "--model.lr=0.1", "--run.id=own")) == 0


@pytest.mark.parametrize("kind", ["missing", "text", "flipped", "another network", "both"])
def test_a_wrong_file_is_one_message_and_leaves_no_run(kind, source, start, tmp_path, capsys):
    {"missing": source.unlink, "flipped": lambda: flip(source), "text": lambda: source.write_text("x")}.get(kind, int)()
    more = [f"--model.init_from={source}"]
    more += ["--model.network=tiny_vgg7_bn"] if kind == "another network" else []
    more += [f"--ckpt_path={source}"] if kind == "both" else []
    said = refusal(capsys, *start(*more))
    assert "--model.init_from" in said or str(source) in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()
