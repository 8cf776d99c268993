"""A loss that is NaN or infinite ends the run before anything is saved of it."""

import math
import re

import pytest
import torch

from lightning_modules import classification, pixel_metrics
from tests.support.program import NO_DASHBOARD, SMALL_SCENES, fit, main, main_here, only_run
from training.callbacks import finite_loss


def poison(monkeypatch, step, module=classification, value=math.nan):
    """Makes the `step`-th training loss of this process `value`; None makes only its gradient NaN."""
    calls, original = [], module.cross_entropy

    def spoiled(logits, *args, **kwargs):
        calls.append(logits.requires_grad)
        loss = original(logits, *args, **kwargs)
        if not logits.requires_grad or sum(calls) != step:
            return loss
        if value is not None:
            return loss + value
        loss.register_hook(lambda gradient: gradient * math.nan)
        return loss

    monkeypatch.setattr(module, "cross_entropy", spoiled)


def checkpoints(folder):
    return {path.name: torch.load(path, weights_only=True) for path in sorted(folder.checkpoints.glob("*.ckpt"))}


def test_the_run_stops_with_step_rate_images_and_the_last_good_checkpoint(tmp_path, sample_tree, monkeypatch, capsys):
    poison(monkeypatch, 13)
    command = fit(tmp_path, sample_tree, NO_DASHBOARD, "--run.checkpoint_every_n_steps=3", "--data.num_workers=0")
    assert main_here(*command) == 1
    error = capsys.readouterr().err
    folder = only_run(tmp_path)
    assert "training loss is nan at step 13 (epoch 2, batch 5), learning rate 0.05" in error
    assert f"the last good checkpoint is {folder.checkpoints}/resume-0000000012.ckpt" in error
    assert "Traceback" not in error
    named = re.findall(r"\S+\.(?:JPEG|png)", error)
    assert len(named) == 8
    assert "and 8 more" in error
    assert not folder.read_record().finished
    for name, content in checkpoints(folder).items():
        assert all(weights.isfinite().all() for weights in content["state_dict"].values()), name


def test_a_copy_that_is_late_is_looked_at_with_the_next_one(tmp_path, sample_tree, monkeypatch, capsys):
    """As on a GPU: the losses of steps 1 to 3 are looked at in step 6, no later, and named as they were."""
    seen = []
    look = finite_loss.FiniteLoss._check_copied
    monkeypatch.setattr(finite_loss, "LOOK_EVERY", 3)
    monkeypatch.setattr(finite_loss.HostCopy, "ready", property(lambda copy: False))
    monkeypatch.setattr(
        finite_loss.FiniteLoss,
        "_check_copied",
        lambda self, trainer: (seen.append(trainer.global_step), look(self, trainer)),
    )
    poison(monkeypatch, 2)
    assert main_here(*fit(tmp_path, sample_tree, NO_DASHBOARD, "--run.checkpoint_every_n_steps=0")) == 1
    assert "training loss is nan at step 2 (epoch 1, batch 2)" in capsys.readouterr().err
    assert seen == [3, 6]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_with_accumulation_and_scenes(tmp_path, sample_streets, monkeypatch, capsys, value):
    poison(monkeypatch, 5, pixel_metrics, value)
    roots = [f"--data.root={sample_streets}", f"--run.root={tmp_path}"]
    assert main_here("fit", *SMALL_SCENES, *roots, "--trainer.accumulate_grad_batches=2") == 1
    error = capsys.readouterr().err
    assert f"training loss is {value} at step 3 (epoch 2, batch 1)" in error
    assert "_leftImg8bit.png" in error
    assert not [name for name in checkpoints(only_run(tmp_path)) if name > "resume-0000000002.ckpt"]


def test_weights_that_are_spoiled_in_the_last_step_are_not_saved(tmp_path, sample_tree, monkeypatch, capsys):
    poison(monkeypatch, 1, value=None)
    assert main_here(*fit(tmp_path, sample_tree, NO_DASHBOARD, "--trainer.limit_train_batches=1")) == 1
    assert "weights are NaN or infinite after step 1, though every loss was finite" in capsys.readouterr().err
    assert not checkpoints(only_run(tmp_path))


def test_an_epoch_with_a_nan_in_its_validation_is_never_the_best(tmp_path, sample_tree, monkeypatch):
    calls, original = [], classification.cross_entropy

    def spoiled(logits, *args, **kwargs):
        loss = original(logits, *args, **kwargs)
        calls.append(not logits.requires_grad)
        return loss * math.nan if calls[-1] and sum(calls) <= 4 else loss

    monkeypatch.setattr(classification, "cross_entropy", spoiled)
    command = fit(tmp_path, sample_tree, NO_DASHBOARD, "--trainer.max_epochs=2", "--model.lr=1e-30")
    assert main_here(*command) == 0
    folder = only_run(tmp_path)
    first, second = folder.read_rows()
    assert math.isnan(first["val/loss"])
    assert first["val/acc1"] == second["val/acc1"], "the first one would be the best"
    assert checkpoints(folder)["best.ckpt"]["epoch"] == 1


def test_warn_says_it_once_and_goes_on(tmp_path, sample_tree, monkeypatch, recwarn):
    monkeypatch.setattr(finite_loss, "LOOK_EVERY", 2)
    poison(monkeypatch, 3)
    command = fit(tmp_path, sample_tree, NO_DASHBOARD, "--run.on_nan=warn", "--data.num_workers=0")
    assert main_here(*command) == 0
    said = [str(each.message) for each in recwarn if "training loss is nan" in str(each.message)]
    assert len(said) == 1
    assert "training loss is nan at step 3" in said[0]
    assert only_run(tmp_path).read_record().finished


def test_two_processes_stop_together(tmp_path, sample_tree):
    two = ["--trainer.devices=2", "--trainer.strategy=ddp", NO_DASHBOARD]
    done = main(*fit(tmp_path, sample_tree, *two, "--model.lr=1e30"), check=False)
    assert done.returncode == 1, done.stdout
    assert done.stdout.count("training loss is") == 1
    assert "in process 0" in done.stdout
    assert "Traceback" not in done.stdout
