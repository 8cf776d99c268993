"""The run folder's format: rows keep every bit, summaries follow the paper's two ways of reporting."""

import json
import math

import pytest

from records import RunFolder, RunFolderError, RunRecord, best, epochs_to, find_runs, last_average, summarise
from records.atomic import write_atomically

ROWS = [
    {"epoch": e, "step": 10 * (e + 1), "val/acc1": value}
    for e, value in enumerate([10.0, 30.0, 20.0, 40.0, 35.0, 25.0])
]


def record(**changes):
    fields = {"id": "a1", "name": "n-seed0", "group": "n", "network": "resnet18", "padding": "zero", "seed": 0}
    return RunRecord(**{**fields, "max_epochs": 6, "monitor": "val/acc1", "targets": [30.0], **changes})


def test_rows_come_back_bit_for_bit(tmp_path):
    folder = RunFolder(tmp_path)
    rows = [
        {"epoch": 0, "step": 3, "train/loss": 1 / 3, "val/acc1": math.pi},
        {"epoch": 1, "step": 6, "train/loss": 1e-300},
    ]
    folder.write_rows(rows)
    assert folder.read_rows() == rows


@pytest.mark.parametrize("text", ["epoch,step,val/acc1\n0,1,abc\n", "epoch,step\n0,1\n2,3\n", "epoch,step\n0,1\n0,2\n"])
def test_damaged_rows_name_file_and_line(tmp_path, text):
    (tmp_path / "epochs.csv").write_text(text)
    with pytest.raises(RunFolderError, match=r"epochs\.csv, line \d"):
        RunFolder(tmp_path).read_rows()


def test_summary_follows_the_paper():
    assert best(ROWS, "val/acc1") == 40.0
    assert last_average(ROWS, "val/acc1") == (30 + 20 + 40 + 35 + 25) / 5
    assert epochs_to(ROWS, "val/acc1", 30) == 2
    assert epochs_to(ROWS, "val/acc1", 40.5) is None
    assert summarise(ROWS, "val/acc1", [30, 99]) == {
        "best/val/acc1": 40.0,
        "last5/val/acc1": 30.0,
        "epochs_to/val/acc1=30": 2,
    }
    assert summarise([], "val/acc1", [30]) == {}


def test_record_round_trip_and_search(tmp_path):
    folder = RunFolder(tmp_path / "sweep" / "run")
    folder.write_record(record())
    assert folder.read_record() == record()
    assert find_runs(tmp_path) == [folder]


def test_damaged_record_is_named(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"id": "x"}))
    with pytest.raises(RunFolderError, match=r"run\.json is damaged"):
        RunFolder(tmp_path).read_record()
    with pytest.raises(RunFolderError, match="no run folder"):
        RunFolder(tmp_path / "absent").read_record()
    with pytest.raises(RunFolderError, match="is no folder"):
        find_runs(tmp_path / "absent")


def test_a_failed_write_leaves_the_old_file_and_no_rest(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(file):
        file.write(b"new")
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_atomically(path, fail)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
