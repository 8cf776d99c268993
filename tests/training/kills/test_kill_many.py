"""Random runs killed at random moments: ten in `make test`, a hundred in `make test-all`."""

import subprocess
import sys

import pytest

from tests.support.program import ROOT

CASES = 5
FIRST = [1000, 1005]
"""Numbers of the first cases of a group; other numbers are other runs and other kills."""
FURTHER = range(1010, 1100, CASES)


@pytest.mark.parametrize("seed", [*FIRST, *(pytest.param(seed, marks=pytest.mark.slow) for seed in FURTHER)])
def test_every_run_survives(tmp_path, seed):
    """A process of its own, since the harness forks, which a process with threads must not do."""
    command = [
        sys.executable,
        "-m",
        "tests.support.kill_many",
        f"--seed={seed}",
        f"--cases={CASES}",
        f"--keep={tmp_path}",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{CASES} cases: {CASES} survived" in done.stdout
