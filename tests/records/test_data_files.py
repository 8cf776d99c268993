"""A run goes on where its data moved, and says what differs where they are others."""

import json
import shutil

import pytest
import torch

from records import configuration
from records.data_files import write_data_files
from records.errors import FailedRunError
from tests.support.program import NO_DASHBOARD, ROOT, SMALL_SCENES, fit, main_here, only_run, refusal

ACCEPT = "--run.accept_changed_data=true"


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture
def tree(sample_tree, tmp_path):
    return shutil.copytree(sample_tree, tmp_path / "tree")


def command(root, tree, *arguments):
    one = ["--trainer.max_epochs=2", "--data.num_workers=0", "--run.checkpoint_every_n_steps=3", NO_DASHBOARD]
    return fit(root, tree, *one, *arguments)


def interrupted(monkeypatch, *arguments, step=5):
    """Runs main.py's work in this process until the `step`-th step fails."""
    calls, original = [], torch.optim.SGD.step

    def fails(*args, **kwargs):
        calls.append(1)
        if len(calls) == step:
            raise FailedRunError("the machine is taken away")
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(torch.optim.SGD, "step", fails)
        assert main_here(*arguments) == 1
    assert len(calls) == step


def images(tree, split):
    return sorted((tree / split).rglob("*.JPEG"))


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def enlarge(file):
    file.write_bytes(file.read_bytes() + b"0")


CHANGES = {
    "validation: 1 file missing (": lambda tree: images(tree, "val")[7].unlink(),
    "validation: 1 file of other content (": lambda tree: flip(images(tree, "val")[7]),
    "training: 1 file of another size (": lambda tree: enlarge(images(tree, "train")[7]),
    "training: 2 files added (the first: ": lambda tree: [
        shutil.copy(images(tree, "train")[0], images(tree, "train")[0].with_name(f"new{number}.JPEG"))
        for number in range(2)
    ],
}


def test_changed_data_are_refused_with_what_differs_and_nothing_is_written(tmp_path, tree, monkeypatch, capsys):
    runs = tmp_path / "runs"
    interrupted(monkeypatch, *command(runs, tree))
    before = {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()}
    for number, (message, change) in enumerate(CHANGES.items()):
        other = shutil.copytree(tree, tmp_path / f"changed{number}")
        change(other)
        error = refusal(capsys, *command(runs, other))
        assert message in error
        assert ACCEPT in error
    assert {file: file.read_bytes() for file in runs.rglob("*") if file.is_file()} == before


@pytest.mark.parametrize("kind", ["validation: 1 file missing (", "training: 2 files added (the first: "])
def test_accepted_changes_are_recorded_and_the_run_goes_on(tmp_path, tree, monkeypatch, caplog, capsys, kind):
    interrupted(monkeypatch, *command(tmp_path / "runs", tree))
    CHANGES[kind](tree)
    assert main_here(*command(tmp_path / "runs", tree, ACCEPT)) == 0
    record = only_run(tmp_path / "runs").read_record()
    assert "resuming from" in caplog.text
    assert record.finished
    assert [attempt.get("changed_data", [""])[0][: len(kind)] for attempt in record.attempts] == ["", kind]
    # They are the run's data from now on.
    assert main_here(*command(tmp_path / "runs", tree)) == 0
    assert len(only_run(tmp_path / "runs").read_record().attempts) == 2


def test_data_that_moved_continue_the_run_also_one_of_the_rule_that_ids_held_the_root(
    tmp_path, tree, monkeypatch, caplog, capsys
):
    runs = tmp_path / "runs"
    with monkeypatch.context() as patch:
        old_rule = [key for key in configuration.NOT_DECIDING if key != "data.init_args.root"]
        patch.setattr(configuration, "NOT_DECIDING", tuple(old_rule))
        interrupted(monkeypatch, *command(runs, tree))
    folder = only_run(runs)
    content = json.loads(folder.record_file.read_text())
    for name in ("digest_rule", "data_root", "data"):
        content.pop(name)
    folder.record_file.write_text(json.dumps(content))
    folder.data_files.unlink()
    for number in range(3):
        caplog.clear()
        tree = tree.rename(tmp_path / f"moved{number}")
        if number == 0:
            interrupted(monkeypatch, *command(runs, tree), step=3)
        else:
            assert main_here(*command(runs, tree)) == 0
        assert only_run(runs).path == folder.path
        assert ("already finished" if number == 2 else "resuming from") in caplog.text
    record = folder.read_record()
    assert (record.id, record.digest) == (content["id"], content["digest"])
    # Equal settings, finished, but other images: they are not taken for the same.
    images(tree, "val")[3].unlink()
    tree = tree.rename(tmp_path / "other")
    assert "validation: 1 file missing" in refusal(capsys, *command(runs, tree))


def test_a_damaged_list_of_files_is_written_anew_or_said(tmp_path, tree, monkeypatch, capsys):
    interrupted(monkeypatch, *command(tmp_path / "runs", tree))
    folder = only_run(tmp_path / "runs")
    folder.data_files.write_bytes(b"\x1f\x8b damaged")
    images(tree, "val")[0].unlink()
    assert "data.json.gz, which lists them, is damaged" in refusal(capsys, *command(tmp_path / "runs", tree))
    write_data_files(folder.data_files, folder.read_record().data, {})
    assert "validation: now read" in refusal(capsys, *command(tmp_path / "runs", tree))


def test_scenes_and_their_labels(tmp_path, sample_streets, monkeypatch, capsys):
    tree = shutil.copytree(sample_streets, tmp_path / "streets")
    scenes = ["fit", *SMALL_SCENES, "--run.checkpoint_every_n_steps=1", f"--run.root={tmp_path / 'runs'}"]
    interrupted(monkeypatch, *scenes, f"--data.root={tree}", step=2)
    tree = tree.rename(tmp_path / "moved")
    label = next(file for file in sorted((tree / "gtFine" / "val").rglob("*_labelIds.png")))
    enlarge(label)
    error = refusal(capsys, *scenes, f"--data.root={tree}")
    assert f"validation: 1 file of another size ({label.parent.name}/{label.name})" in error
