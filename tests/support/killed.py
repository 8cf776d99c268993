"""Runs main.py and kills its whole process group at a chosen instant: the hardest end a run can have.

usage: killed.py step|replace COUNT ARGUMENTS...
    step     in the COUNT-th optimiser step of this process, after the weights have changed
    replace  when the COUNT-th file is whole under its temporary name, and about to be renamed
"""

import os
import runpy
import signal
import sys
from pathlib import Path

import torch

where, count, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
seen = 0


def die_at_count(original):
    def call(*args, **kwargs):
        global seen
        seen += 1
        if where == "step":
            result = original(*args, **kwargs)
        if seen == count:
            os.killpg(0, signal.SIGKILL)
        return result if where == "step" else original(*args, **kwargs)

    return call


if where == "step":
    torch.optim.SGD.step = die_at_count(torch.optim.SGD.step)
else:
    os.replace = die_at_count(os.replace)

program = Path(__file__).parent.parent.parent / "main.py"
sys.path.insert(0, str(program.parent))
sys.argv = [str(program), *arguments]
runpy.run_path(str(program), run_name="__main__")
