"""Run folders made of what W&B holds: whole data or a reason, and nothing touched that is not their own."""

import math
import re

import pytest

from records import RunFolder, RunFolderError, RunRecord, find_runs
from records.errors import UserError
from records.exported import KEY, exported
from studies.runs.wandb_mirror import MARKER, mirror, rows_of
from studies.runs.wandb_project import LoggedRun

VALUES = (10.0, 0.1 + 0.2, 1e-7 / 3)


def entry(epoch, **more):
    row = {"_step": 2 * epoch + 1, "_runtime": 1.5, "_timestamp": 1.7e9, "trainer/global_step": 8 * (epoch + 1)}
    # As JavaScript writes it, a whole number has no point.
    return {"val/acc1": 50, "seconds": 2, "epoch": epoch, **row, "lr": 0.1, "train/loss": VALUES[epoch], **more}


@pytest.fixture
def logged(tmp_path):
    """Makes a run as W&B would hold it; the run folder that it was logged from goes to `tmp_path / "original"`."""

    def make(run_id="a1", state="finished", epochs=3, history=None, **fields):
        folder = RunFolder(tmp_path / "original" / run_id)
        record = {"id": run_id, "name": f"net-zero-{run_id}", "group": "net-zero", "network": "net", "padding": "zero"}
        record |= {"seed": 0, "max_epochs": 3, "monitor": "val/acc1", "targets": [20.0], "finished": True}
        folder.write_record(RunRecord(**{**record, "attempts": [{"commit": "c"}], **fields}))
        folder.config.write_text("model: {lr: 1.0}\n")
        rows = [{"epoch": epoch, "step": 8 * epoch + 8, "lr": 0.1} for epoch in range(epochs)]
        more = {"val/acc1": 50.0, "seconds": 2.0}
        folder.write_rows([{**row, "train/loss": value, **more} for row, value in zip(rows, VALUES, strict=False)])
        history = [entry(epoch) for epoch in range(epochs)] if history is None else history
        return LoggedRun(run_id, "name", f"https://wandb.example/{run_id}", state, {KEY: exported(folder)}, history)

    return make


def test_a_run_folder_comes_back_bit_for_bit(logged, tmp_path):
    # Out of order, and between entries that Lightning logs of its own.
    own = {"_step": 0, "lr-SGD": 0.1, "trainer/global_step": 8}
    run = logged(history=[own, entry(2), {**own, "epoch": 0}, entry(0), entry(1, **{"val/acc5": None})])
    root = tmp_path / "mirror"
    assert mirror([run], root) == []
    (made,), original = find_runs(root), RunFolder(tmp_path / "original" / "a1")
    assert made.path.name == "net-zero-a1-a1"
    for path in (original.epochs, original.config):
        assert (made.path / path.name).read_bytes() == path.read_bytes()
    record = original.read_record()
    record.attempts[-1]["url"] = "https://wandb.example/a1"
    assert made.read_record() == record


@pytest.mark.parametrize("state", ["running", "crashed", "failed", "killed", "preempted"])
def test_a_run_under_way_or_broken_off_is_unfinished(logged, tmp_path, state):
    mirror([logged(state=state)], tmp_path / "mirror")
    (made,) = find_runs(tmp_path / "mirror")
    assert not made.read_record().finished
    assert len(made.read_rows()) == 3


def test_ended_in_good_order_but_not_at_its_end_is_unfinished(logged, tmp_path):
    mirror([logged(finished=False)], tmp_path / "mirror")
    (made,) = find_runs(tmp_path / "mirror")
    assert not made.read_record().finished


@pytest.mark.parametrize(
    ("history", "reason"),
    [
        ([entry(0), entry(2)], "epoch 1 is missing"),
        ([entry(0), entry(1), entry(1), entry(2)], "epoch 1 is there twice"),
        ([entry(0), entry(1)], "holds 2 epochs, the run recorded 3"),
        ([entry(0), entry(1, **{"val/acc1": {"_type": "image"}}), entry(2)], "epoch 1 .* damaged"),
    ],
)
def test_half_a_history_is_set_aside(logged, tmp_path, history, reason):
    (entry_aside,) = mirror([logged(history=history)], tmp_path / "mirror")
    assert str(entry_aside).startswith("https://wandb.example/a1: ")
    assert re.search(reason, entry_aside.reason)
    assert find_runs(tmp_path / "mirror") == []


def test_numbers_that_json_has_no_digits_for():
    (row,) = rows_of([entry(0, **{"val/loss": "NaN", "train/loss": "-Infinity"})])
    assert math.isnan(row["val/loss"])
    assert row["train/loss"] == -math.inf


def test_runs_of_other_programs_and_damaged_records_are_named(logged, tmp_path):
    foreign = LoggedRun("b2", "theirs", "https://wandb.example/b2", "finished", {"padding": "zero"}, [])
    damaged = logged("c3")
    damaged.config[KEY]["run.json"] = "{}"
    aside = {str(each) for each in mirror([foreign, damaged, logged()], tmp_path / "mirror")}
    assert any("b2: no run of this program" in each and "theirs" in each for each in aside)
    assert any("c3: its run_folder is damaged" in each for each in aside)
    assert len(find_runs(tmp_path / "mirror")) == 1


def test_made_anew_each_time(logged, tmp_path):
    root = tmp_path / "mirror"
    mirror([logged("a1"), logged("b2"), logged("c3")], root)
    (root / "net-zero-b2-b2" / "notes.txt").write_text("mine")
    (root / "report").mkdir()
    mirror([logged("a1", state="running")], root)
    assert sorted(path.name for path in root.iterdir()) == ["net-zero-a1-a1", "net-zero-b2-b2", "report", MARKER]
    assert [path.name for path in (root / "net-zero-b2-b2").iterdir()] == ["notes.txt"]
    assert not find_runs(root)[0].read_record().finished


def test_what_was_not_made_from_wandb_is_not_touched(logged, tmp_path):
    with pytest.raises(UserError, match="not made from W&B"):
        mirror([logged()], tmp_path / "original")
    assert sorted(path.name for path in (tmp_path / "original").iterdir()) == ["a1"]
    root = tmp_path / "mirror"
    mirror([logged("a1")], root)
    theirs = root / "net-zero-b2-b2"
    theirs.mkdir()
    with pytest.raises(UserError, match="net-zero-b2-b2 is there already"):
        mirror([logged("a1"), logged("b2")], root)
    assert list(theirs.iterdir()) == []


def test_rows_need_a_step():
    broken = entry(0)
    del broken["trainer/global_step"]
    with pytest.raises(RunFolderError, match=r"epoch 0 .* damaged"):
        rows_of([broken])
