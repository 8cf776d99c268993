"""The processes that run missing tests: what went wrong is said, and an interruption leaves none behind."""

import os
import signal
import sys
import threading
import time

import pytest
from rich.console import Console

from studies.runs.collect import collect
from studies.segmentation import measure

STUBBORN = """
import os, signal, subprocess, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
worker = subprocess.Popen(["sleep", "60"])
print(worker.pid, flush=True)
time.sleep(60)
"""


@pytest.fixture
def make_test(make_run, tmp_path):
    make_run()
    (run,) = collect(tmp_path / "runs").runs
    return lambda program: measure.MissingTest(run, (sys.executable, "-c", program))


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("print('fine')", None),
        ("print('\\033[31mError: no images\\033[0m\\nusage: ...\\nwandb: bye'); exit(2)", "Error: no images"),
        ("print('here\\n\\nwandb: bye'); exit(2)", "here"),
        ("exit(3)", "exit status 3"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?)"),
    ],
)
def test_what_went_wrong_is_the_last_error_of_this_attempt(make_test, program, problem):
    test = make_test(program)
    test.run.folder.log.write_text("error: of an earlier attempt\n")
    assert measure.run(test) == problem


def test_an_interruption_ends_all_processes_and_starts_no_other(make_test, monkeypatch, capsys):
    test = make_test(STUBBORN)
    log = test.run.folder.log
    monkeypatch.setattr(measure, "GRACE", 0.2)
    monkeypatch.setattr(measure, "missing", lambda *_: [test, test])

    def interrupt():
        while not (log.exists() and log.read_text().strip()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=interrupt, daemon=True).start()
    before, started = signal.getsignal(signal.SIGTERM), time.monotonic()
    collection = collect(test.run.folder.path.parent)
    assert measure.run_missing(Console(), collection, []) == 128 + signal.SIGTERM
    assert time.monotonic() - started < 30
    assert signal.getsignal(signal.SIGTERM) is before
    shown = capsys.readouterr().out
    assert "test 1 of 2" in shown
    assert "test 2 of 2" not in shown
    deadline = time.monotonic() + 5
    while _runs(int(log.read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(int(log.read_text()))


def _runs(pid):
    """Whether a process runs; one that ended and that init has not reaped yet does not."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
