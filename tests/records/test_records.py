"""The run folder's format: rows keep every bit, summaries follow the paper's two ways of reporting."""

import fcntl
import json
import math
import subprocess
import sys

import pytest

from records import RunFolder, RunFolderError, RunRecord, best, epochs_to, find_runs, last_average, summarise
from records.atomic import remove_leftovers, write_atomically

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


def test_damaged_record_is_named(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"id": "x"}))
    with pytest.raises(RunFolderError, match=r"run\.json is damaged"):
        RunFolder(tmp_path).read_record()
    with pytest.raises(RunFolderError, match="no run folder"):
        RunFolder(tmp_path / "absent").read_record()
    with pytest.raises(RunFolderError, match="is no folder"):
        find_runs(tmp_path / "absent")


WRITER = """
import sys
from records.atomic import remove_leftovers, write_atomically
write_atomically(sys.argv[1], lambda file: (print("open", flush=True), sys.stdin.read(), file.write(b"whole")))
"""


def test_leftovers_go_and_what_another_process_is_writing_stays(tmp_path):
    path, left = tmp_path / "checkpoint", tmp_path / ".checkpoint.abc.tmp"
    left.write_bytes(b"half")
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout.readline() == "open\n"
        remove_leftovers(tmp_path, tmp_path / "absent")
        (temporary,) = tmp_path.iterdir()
        writer.stdin.close()
        assert writer.wait() == 0
    assert not left.exists()
    assert not temporary.exists()
    assert path.read_bytes() == b"whole"


def test_a_file_that_is_removed_before_it_is_locked_is_made_again(tmp_path, monkeypatch):
    lock = fcntl.lockf

    def late(handle, kind):
        monkeypatch.setattr(fcntl, "lockf", lock)
        for path in tmp_path.iterdir():
            path.unlink()
        lock(handle, kind)

    monkeypatch.setattr(fcntl, "lockf", late)
    write_atomically(tmp_path / "a", lambda file: file.write(b"whole"))
    assert (tmp_path / "a").read_bytes() == b"whole"
