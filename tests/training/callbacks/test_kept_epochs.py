"""best.ckpt and epoch-NNN.ckpt are what the rows say, wherever the folder lies and whatever happened to the files."""

import errno
import math
import shutil
from types import SimpleNamespace

import pytest
import torch

from records import RunFolder, RunRecord
from records.errors import UserError
from training.callbacks.kept_epochs import best_and_last_epochs
from training.callbacks.run_recorder import RunRecorder
from training.checkpoint_files import AtomicCheckpointIO

ACCURACIES = (10.0, 121 / 3, 20.0, math.nan, 30.0, 35.0, 15.0)
"""The best epoch, 1, is no longer among the last five."""


def run(path, epochs=7):
    """A run's folder behind its `epochs`-th epoch, and its recorder."""
    recorder = RunRecorder(RunFolder(path))
    recorder.rows = [{"epoch": e, "step": 8 * e + 8, "val/acc1": ACCURACIES[e]} for e in range(epochs)]
    best = max(range(epochs), key=lambda e: -math.inf if math.isnan(ACCURACIES[e]) else ACCURACIES[e])
    files = {"best": best} | {f"epoch-{e:03d}": e for e in range(max(0, epochs - 5), epochs)}
    for name, epoch in files.items():
        save(recorder, name, epoch)
    record = RunRecord("i", "n", "g", "net", "zero", 0, 9, "val/acc1", attempts=[{}])
    recorder.folder.write_record(record)
    return recorder


def save(recorder, name, epoch):
    content = {"state_dict": {"weight": torch.tensor([float(epoch)])}, "epoch": epoch, "global_step": 8 * epoch + 8}
    AtomicCheckpointIO().save_checkpoint(content, recorder.folder.checkpoints / f"{name}.ckpt")


def resume(recorder, source=None):
    """Starts new callbacks as a resume does; returns them, and what run.json says of the files."""
    strategy = SimpleNamespace(broadcast=lambda value: value)
    start = (source or recorder.folder.checkpoints) / "resume-0000000056.ckpt"
    trainer = SimpleNamespace(is_global_zero=True, strategy=strategy, ckpt_path=str(start))
    last, best = best_and_last_epochs(recorder, "val/acc1")
    # Earlier versions saved absolute paths, or had forgotten them.
    best.load_state_dict({"dirpath": "/elsewhere", "best_k_models": {}, "best_model_score": None})
    for callback in (last, best):
        callback.on_fit_start(trainer, None)
        assert not callback.state_dict()
    return (last, best), recorder.folder.read_record().attempts[-1].get("checkpoints", [])


def kept(recorder):
    """File name to the epoch whose weights it holds."""
    paths = sorted(recorder.folder.checkpoints.glob("*.ckpt"))
    return {path.stem: int(torch.load(path)["state_dict"]["weight"]) for path in paths}


WHOLE = {"best": 1} | {f"epoch-{e:03d}": e for e in range(2, 7)}


def test_scores_and_paths_follow_from_the_rows_and_the_folder(tmp_path):
    run(tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "moved")
    recorder = run(tmp_path / "moved")
    (last, best), lines = resume(recorder)
    assert lines == []
    assert kept(recorder) == WHOLE
    folder = recorder.folder.checkpoints.resolve()
    assert best.best_k_models == {str(folder / "best.ckpt"): 121 / 3}
    assert best.best_model_score.item() == 121 / 3
    assert last.best_k_models == {str(folder / f"epoch-{e:03d}.ckpt"): e for e in range(2, 7)}
    assert last.kth_best_model_path == str(folder / "epoch-002.ckpt")


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


LOST, COPY = "the weights of the best epoch, 1, are lost; ", "best.ckpt is a copy of "
DAMAGE = {
    "best flipped": (["best"], flip, {"best": 5, "score": 35}, ["best.ckpt is damaged", LOST, COPY]),
    "best missing": (["best"], lambda path: path.unlink(), {"best": 5, "score": 35}, [LOST, COPY]),
    "one flipped": (["epoch-003"], flip, {"epoch-003": None}, ["epoch-003.ckpt is damaged", "epoch-003.ckpt is lost"]),
    "all flipped": (
        list(WHOLE),
        flip,
        dict.fromkeys(WHOLE) | {"score": None},
        ["damaged"] * 5 + ["lost"] * 5 + ["damaged", "lost"],
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_and_missing_weights_are_named_and_the_best_of_the_others_is_best(tmp_path, case):
    names, harm, expected, messages = DAMAGE[case]
    recorder = run(tmp_path / "run")
    for name in names:
        harm(recorder.folder.checkpoints / f"{name}.ckpt")
    (_, best), lines = resume(recorder)
    assert len(lines) == len(messages)
    assert all(message in line for message, line in zip(messages, lines, strict=True)), lines
    expected = {"score": 121 / 3} | WHOLE | expected
    assert best.best_model_score == expected.pop("score")
    assert kept(recorder) == {name: epoch for name, epoch in expected.items() if epoch is not None}
    bad = sorted(path.name for path in recorder.folder.checkpoints.glob("*.bad"))
    assert bad == (sorted(f"{name}.ckpt.bad" for name in names) if harm is flip else [])


@pytest.mark.parametrize("name", ["best", "epoch-004"])
def test_weights_that_the_system_does_not_let_be_read_are_neither_set_aside_nor_replaced(name, tmp_path, monkeypatch):
    recorder, real = run(tmp_path / "run"), open

    def refuse(file, *arguments, **how):
        if str(file).endswith(f"{name}.ckpt"):
            raise OSError(errno.EIO, "Input/output error")
        return real(file, *arguments, **how)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(UserError, match=f"{name}.ckpt cannot be read: Input/output"):
        resume(recorder)
    monkeypatch.undo()
    assert kept(recorder) == WHOLE


def test_best_is_restored_from_the_file_of_its_epoch(tmp_path):
    recorder = run(tmp_path / "run", epochs=4)
    flip(recorder.folder.checkpoints / "best.ckpt")
    (_, best), lines = resume(recorder)
    assert [line.rpartition("checkpoints/")[2] for line in lines][1:] == ["epoch-001.ckpt now"]
    assert kept(recorder)["best"] == 1
    assert best.best_model_score == 121 / 3


def test_weights_of_an_epoch_that_is_run_again_are_not_the_best_of_the_recorded_ones(tmp_path):
    """Killed between the weights of an epoch, which replaced the best and the first ones, and its resume checkpoint."""
    recorder = run(tmp_path / "run")
    for name in ("best", "epoch-007"):
        save(recorder, name, 7)
    (recorder.folder.checkpoints / "epoch-002.ckpt").unlink()
    (_, best), lines = resume(recorder)
    assert [LOST in lines[0], COPY in lines[1]] == [True, True]
    assert kept(recorder)["best"] == 5
    assert best.best_model_score == 35


def test_a_run_begun_from_another_folders_checkpoint_takes_its_weights_along(tmp_path):
    old = run(tmp_path / "old")
    save(old, "epoch-009", 9)  # the old run went on
    (tmp_path / "new/checkpoints").mkdir(parents=True)
    shutil.copy(old.folder.record_file, tmp_path / "new")
    new = RunRecorder(RunFolder(tmp_path / "new"))
    new.rows = old.rows
    (_, best), lines = resume(new, source=old.folder.checkpoints)
    assert kept(new) == WHOLE
    assert best.best_model_score == 121 / 3
    assert [line.partition("new/")[2].partition(" ")[0] for line in lines] == ["checkpoints/best.ckpt"]


def test_damaged_weights_are_replaced_by_those_beside_the_checkpoint_that_training_starts_from(tmp_path):
    recorder, backup = run(tmp_path / "run", epochs=4), run(tmp_path / "backup", epochs=4)
    for name in ("best", "epoch-000", "epoch-003"):
        flip(recorder.folder.checkpoints / f"{name}.ckpt")
    _, lines = resume(recorder, source=backup.folder.checkpoints)
    assert kept(recorder) == {"best": 1} | {f"epoch-{e:03d}": e for e in range(4)}
    bad = sorted(path.name for path in recorder.folder.checkpoints.glob("*.bad"))
    assert bad == ["best.ckpt.bad", "epoch-000.ckpt.bad", "epoch-003.ckpt.bad"]
    assert [line.partition("checkpoints/")[2].partition(" ")[0] for line in lines] == [
        *("epoch-000.ckpt", "epoch-003.ckpt", "best.ckpt", "best.ckpt")
    ]
