"""Run folders made of what W&B holds: whole files or a reason, and nothing touched that is not their own."""

import dataclasses
import json
from types import SimpleNamespace

import pytest

from records import RunFolder, RunRecord, find_runs
from records.errors import UserError
from studies.runs.wandb_mirror import MARKER, mirror
from studies.runs.wandb_project import LoggedRun, download


@pytest.fixture
def logged(tmp_path):
    """Makes a run as it is downloaded from W&B, below `tmp_path / "original"`."""

    def make(run_id="a1", state="finished", epochs=3, **fields):
        folder = RunFolder(tmp_path / "original" / run_id)
        record = {"id": run_id, "name": f"net-zero-{run_id}", "group": "net-zero", "network": "net", "padding": "zero"}
        record |= {"seed": 0, "max_epochs": 3, "monitor": "val/acc1", "targets": [20.0], "finished": True}
        folder.write_record(RunRecord(**{**record, "attempts": [{"commit": "c"}], **fields}))
        folder.config.write_text("model: {lr: 1.0}\n")
        folder.write_rows([{"epoch": epoch, "step": 8 * epoch + 8, "val/acc1": 1e-7 / 3} for epoch in range(3)])
        return LoggedRun(run_id, "name", f"https://wandb.example/{run_id}", state, True, epochs, folder)

    return make


@pytest.mark.parametrize(
    "how", [{"finished": False}, *({"state": state} for state in ("running", "crashed", "failed", "killed"))]
)
def test_a_run_under_way_or_broken_off_is_unfinished(logged, tmp_path, how):
    """Its curves may be longer than the rows that were uploaded last."""
    mirror([logged(epochs=4, **how)], tmp_path / "mirror")
    (made,) = find_runs(tmp_path / "mirror")
    assert not made.read_record().finished
    assert len(made.read_rows()) == 3


def without(name):
    return lambda run: (run.folder.path / name).unlink() or run


def damaged(name, text):
    return lambda run: (run.folder.path / name).write_text(text) and run


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda run: dataclasses.replace(run, ours=False), "no run of this program (name)"),
        (lambda run: dataclasses.replace(run, epochs=4), "its epochs.csv holds 3 epochs, its curves 4"),
        (without("epochs.csv"), "W&B holds no epochs.csv of it"),
        (without("run.json"), "W&B holds no run.json of it"),
        (damaged("run.json", "{"), "its run.json is damaged"),
        (damaged("epochs.csv", "epoch,step\n0,1\n2,3\n"), "its epochs.csv, line 3: expected epoch 1"),
    ],
)
def test_what_is_not_whole_is_set_aside_in_one_line(logged, tmp_path, change, reason):
    (aside,) = mirror([change(logged()), logged("b2")], tmp_path / "mirror")
    assert str(aside).startswith("https://wandb.example/a1: ")
    assert reason in aside.reason
    assert "\n" not in aside.reason
    assert str(tmp_path) not in aside.reason
    assert [folder.read_record().id for folder in find_runs(tmp_path / "mirror")] == ["b2"]


@pytest.mark.parametrize("name", ["../../outside", "/outside", "..", "a\\b"])
def test_names_lead_nowhere_else(logged, tmp_path, name):
    run = logged("a1", name=name)
    mirror([dataclasses.replace(run, id=name)], tmp_path / "here" / "mirror")
    (made,) = find_runs(tmp_path / "here")
    assert made.path.parent == tmp_path / "here" / "mirror"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "original"]


@pytest.mark.parametrize("names", [["../original/b2"], ["/tmp"], [".."], [1], "..", [["a1"]], None])
def test_names_in_the_marker_lead_nowhere_else(logged, tmp_path, names):
    root = tmp_path / "mirror"
    mirror([logged()], root)
    kept = logged("b2").folder
    (root / MARKER).write_text(json.dumps({"runs": names}))
    with pytest.raises(UserError, match="missing or damaged"):
        mirror([], root)
    assert all(path.is_file() for path in kept.core_files)


@pytest.mark.parametrize("runs", [[], ["a1"]])
def test_a_link_in_the_mirror_is_neither_followed_nor_removed(logged, tmp_path, runs):
    root, run = tmp_path / "mirror", logged()
    mirror([run], root)
    (root / "net-zero-a1-a1").rename(tmp_path / "aside")
    (root / "net-zero-a1-a1").symlink_to(run.folder.path)
    with pytest.raises(UserError, match="net-zero-a1-a1 is there already"):
        mirror([run] if runs else [], root)
    assert all(path.is_file() for path in run.folder.core_files)


def test_files_that_were_not_asked_for_are_not_downloaded(tmp_path):
    asked, taken = [], []
    names = ["../../run.json", "run_folder_run.json/../x", "config.yaml"]
    files = [SimpleNamespace(name=name, download=lambda **_: taken.append(1)) for name in names]
    download(SimpleNamespace(files=lambda names: asked.append(names) or files), RunFolder(tmp_path))
    assert asked == [["run_folder_run.json", "run_folder_config.yaml", "run_folder_epochs.csv"]]
    assert taken == list(tmp_path.iterdir()) == []


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
