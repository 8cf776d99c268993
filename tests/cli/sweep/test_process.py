"""Why a process failed, in one line. That a stop leaves none behind is tested with a sweep's."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.sweep.process import StopRequest, run_logged


@pytest.mark.parametrize(
    ("program", "problem"),
    [
        ("print('fine')", ""),
        ("print('\\033[31mError: no images\\033[0m\\nusage: ...\\nwandb: bye'); exit(2)", "Error: no images"),
        ("import os; os.write(1, b'here\\xff\\n\\n\\033[1mwandb\\033[0m: bye'); exit(2)", "here\ufffd"),
        ("exit(3)", "exit status 3, nothing in the log"),
        ("import os; os.kill(os.getpid(), 9)", "killed by SIGKILL (out of memory?)"),
        (None, "could not be started: [Errno 2] No such file or directory: '/no/such/python'"),
    ],
)
def test_what_went_wrong_is_the_last_error_of_this_attempt(program, problem, tmp_path):
    (log := tmp_path / "log.txt").write_text("error: of an earlier attempt\n")
    command = ["/no/such/python"] if program is None else [sys.executable, "-c", program]
    assert run_logged(command, log, os.environ, StopRequest(), grace=1) == problem
    assert log.read_text(errors="replace").startswith("error: of an earlier attempt\n")


HOLD = "import fcntl, sys; file = open(sys.argv[1], 'a'); fcntl.{}(file, fcntl.LOCK_EX); print('held', flush=True)"
TRAIN = """
import fcntl, sys
try:
    fcntl.lockf(open(sys.argv[1], "a"), fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit("error: another process is training in here; wait for it or stop it")
print("trained")
"""


@pytest.mark.parametrize("ends", ["by itself", "by a stop"])
@pytest.mark.parametrize(("lock", "file"), [("flock", "log.txt"), ("lockf", ".lock")], ids=["a sweep", "a fit"])
def test_what_another_process_trains_since_an_instant_is_waited_for(lock, file, ends, tmp_path, capsys):
    hold = [sys.executable, "-c", f"{HOLD.format(lock)}; sys.stdin.read()", tmp_path / file]
    command, stop, said = [sys.executable, "-c", TRAIN, tmp_path / ".lock"], StopRequest(), ""
    with (
        subprocess.Popen(hold, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        assert other.stdout.readline() == "held\n"
        found = pool.submit(run_logged, command, tmp_path / "log.txt", os.environ, stop, 1)
        while not (said := said + capsys.readouterr().out) and not found.done():
            time.sleep(0.05)
        assert said == f"waiting for another process, which is training {tmp_path.name} already\n"
        if ends == "by a stop":
            stop.count = 1
            assert found.result() == ""
            assert other.poll() is None
        other.stdin.close()
        assert found.result() == ""
    assert (tmp_path / "log.txt").read_text().endswith("trained\n") == (ends == "by itself")
