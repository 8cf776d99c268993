"""Random runs killed at random moments: five in `make test`, a hundred in `make test-all`."""

import pytest

from tests.support.program import run_forked

CASES = {1000: 2, 1003: 2, 1009: 1}
"""First case of a group to their number: by processes, workers, W&B and interruptions they differ, one is of scenes."""
FURTHER = {1002: 1, 1005: 4} | dict.fromkeys(range(1010, 1100, 5), 5)


@pytest.mark.parametrize(
    ("seed", "cases"), [*CASES.items(), *(pytest.param(*group, marks=pytest.mark.slow) for group in FURTHER.items())]
)
def test_every_run_survives(tmp_path, seed, cases):
    options = f"--seed={seed}", f"--cases={cases}", f"--keep={tmp_path}"
    done = run_forked("tests/support/kill_many.py", *options, limit=0)  # it has its own patience
    assert done.returncode == 0, done.stdout
    assert f"{cases} cases: {cases} survived" in done.stdout
