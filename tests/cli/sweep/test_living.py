"""What tells that a process trains in a run folder, and that asking takes nothing from it."""

import subprocess
import sys

from cli.sweep.living import LivingRun, is_trained
from records import RunFolder

FIT = """
import sys
from pathlib import Path
from records import RunFolder
from training.start import _lock
_lock(RunFolder(Path(sys.argv[1])))
print("locked", flush=True)
sys.stdin.read()
"""


def test_the_lock_of_fit_is_seen_and_left_to_it(tmp_path):
    assert not is_trained(RunFolder(tmp_path / "none"))
    command = [sys.executable, "-c", FIT, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as fit:
        assert fit.stdout.readline() == "locked\n"
        run = LivingRun(RunFolder(tmp_path))
        assert run.poll() is run.poll() is None
        # No earlier sweep started it: it is not ended, and after a request to stop no longer waited for.
        run.terminate()
        assert run.poll() == 0
        assert fit.poll() is None
        fit.stdin.close()
    assert not is_trained(RunFolder(tmp_path))
