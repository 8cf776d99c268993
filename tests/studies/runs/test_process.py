"""Why a process failed, in one line. That a stop leaves none behind is tested with a sweep's."""

import os
import sys

import pytest

from studies.runs.process import StopRequest, run_logged


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
