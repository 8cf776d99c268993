"""`validate` of crops and of padded batches: what it logs, and the record in the run's folder."""

import re
import shutil

import pytest
import torch

from records import RunFolder
from records.evaluation import read_evaluations
from tests.support.program import NO_DASHBOARD, main, main_here, refusal
from training import program
from training.evaluation_record import keep_validation

PADDED = "--data.eval_padded=true"


@pytest.fixture
def run(trained_pair, tmp_path):
    """A run folder without records."""
    # A `validate` of another test may have left its record with the shared run.
    without = shutil.ignore_patterns("evaluations")
    return RunFolder(shutil.copytree(trained_pair / "partial", tmp_path / "partial", ignore=without))


def arguments(run, tree, *options):
    checkpoint = f"--ckpt_path={run.checkpoints}/best.ckpt"
    return ["validate", f"--config={run.config}", NO_DASHBOARD, checkpoint, f"--data.root={tree}", *options]


def records(run):
    found, unusable = read_evaluations(run)
    assert not unusable
    return {record.view: record for record in found.values()}


def test_each_way_of_showing_the_images_has_a_record(run, odd_tree, capsys):
    views = {"cropped": [], "padded, fixed": [PADDED], "padded, none": [PADDED, "--model.mask_rule=none"]}
    for options in views.values():
        assert main_here(*arguments(run, odd_tree, *options)) == 0
    printed = capsys.readouterr().out
    found = records(run)
    assert list(found) == list(views)
    logged = re.findall(r"(val\w*/\w+)\W+([\d.]+)", printed)
    assert [name for name, _ in logged] == ["val/acc1", "val/acc5", "val/loss"] * 3
    for record, (_, acc1) in zip(found.values(), logged[::3], strict=True):
        assert record.metrics["acc1"] == pytest.approx(float(acc1))
        assert record.metrics["acc1"] == pytest.approx(100 * record.right.sum() / 49, abs=1e-4)
        assert record.predictions.tolist() == [1] * 49
        assert record.data == found["cropped"].data
    assert len({record.right.tobytes() for record in found.values()}) == 3


def test_a_checkpoint_that_training_replaces_meanwhile_does_not_name_the_record(run, odd_tree, monkeypatch):
    best = run.checkpoints / "best.ckpt"
    loaded = torch.load(best, weights_only=True)

    def late(*arguments):
        torch.save({"epoch": 99, "global_step": 999}, best)
        keep_validation(*arguments)

    monkeypatch.setattr(program, "keep_validation", late)
    assert main_here(*arguments(run, odd_tree)) == 0
    assert (records(run)["cropped"].epoch, records(run)["cropped"].step) == (loaded["epoch"], loaded["global_step"])


def test_two_processes_and_one_by_one_count_as_one(run, odd_tree):
    options = [PADDED, "--data.eval_batch_size=10"]
    assert main_here(*arguments(run, odd_tree, *options)) == 0
    one = records(run)["padded, fixed"]
    assert main_here(*arguments(run, odd_tree, *options, "--model.mask_rule=singly")) == 0
    main(*arguments(run, odd_tree, *options, "--trainer.devices=2", "--trainer.strategy=ddp"))
    assert len(records(run)) == 2
    for other in records(run).values():
        assert other.right.tolist() == one.right.tolist(), "other images in the batch change nothing"
        assert other.metrics == pytest.approx(one.metrics, rel=1e-5)


def test_part_of_the_images_or_no_run_folder_leave_no_record(run, odd_tree, tmp_path):
    # Not 1: in a process that had run other tests it arrived at the Trainer as 1.0, which is all batches.
    assert main_here(*arguments(run, odd_tree, "--trainer.limit_val_batches=0.5")) == 0
    shutil.copy(run.checkpoints / "best.ckpt", tmp_path)
    assert main_here(*arguments(run, odd_tree, f"--ckpt_path={tmp_path}/best.ckpt")) == 0
    assert records(run) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.mask_rule=shrink"], "mask_rule"),
        (["--model.compile=true"], "--model.mask_rule=singly"),
        (["--model.mask_rule=grow", "--model.padding_at_test=zero"], "--model.mask_rule=singly"),
        (["--data.padded_side=20"], "padded_side"),
    ],
)
def test_bad_input_gets_one_message_and_status_2(run, odd_tree, options, message, capsys):
    assert message in refusal(capsys, *arguments(run, odd_tree, PADDED, *options))


def test_predict_takes_images_uncropped(run, odd_tree, tmp_path):
    _, *rest = arguments(run, odd_tree, f"--data.predict_folder={odd_tree}/val")
    lines = {}
    for name, options in (("crop", []), ("padded", [PADDED])):
        output = tmp_path / f"{name}.csv"
        assert main_here("predict", *rest, f"--prediction.output={output}", *options) == 0
        lines[name] = output.read_text().splitlines()
    assert [line.partition(",")[0] for line in lines["crop"]] == [line.partition(",")[0] for line in lines["padded"]]
    assert len(lines["padded"]) == 50
    assert lines["crop"] != lines["padded"]


def test_data_that_do_not_name_their_images_are_validated_and_it_is_said(run, sample_tree, monkeypatch, caplog):
    monkeypatch.delattr("datamodules.ImageNetDataModule.validation_key")
    assert main_here(*arguments(run, sample_tree)) == 0
    assert "no record will be kept: ImageNetDataModule has no validation_key" in caplog.text
    assert not run.evaluations.exists()
