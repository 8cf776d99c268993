"""Runs main.py and ends it at a chosen instant: its whole process group killed, or itself asked to stop.

usage: killed.py step|replace|finish|term|agent COUNT ARGUMENTS...
    step     in the COUNT-th optimiser step of this process, after the weights have changed
    term     as step, but by SIGTERM to this process alone
    agent    as step, but by SIGTERM to the agent that started this process, which is to forward it; 0: while the run
             is started for the first time
    replace  when the COUNT-th file is whole under its temporary name, and about to be renamed
    finish   when the run has ended, and W&B is about to write what it still holds
"""

import importlib
import os
import runpy
import signal
import socket
import sys
import time
from pathlib import Path

import torch

where, count, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
seen = 0


def die_at_count(original):
    def call(*args, **kwargs):
        global seen
        seen += 1
        if where not in ("replace", "finish"):
            result = original(*args, **kwargs)
        if seen == count and where == "term":
            os.kill(os.getpid(), signal.SIGTERM)
        elif seen == count and where == "agent":
            end_the_agent()
        elif seen == count:
            os.killpg(0, signal.SIGKILL)
        return original(*args, **kwargs) if where in ("replace", "finish") else result

    return call


def end_the_agent():
    """SIGTERM to the agent; returns once this process got one in turn."""
    heard, arrivals = socket.socketpair()
    arrivals.setblocking(False)
    signal.set_wakeup_fd(arrivals.fileno())
    os.kill(os.getppid(), signal.SIGTERM)
    heard.recv(1)
    signal.set_wakeup_fd(-1)


def end_the_agent_at_the_start(original):
    def call(*args, **kwargs):
        root = next(each for each in arguments if each.startswith("--run.root=")).partition("=")[2]
        if not list(Path(root).glob("*/.lock")) and signal.SIGTERM not in signal.sigpending():
            os.kill(os.getppid(), signal.SIGTERM)
            while signal.SIGTERM not in signal.sigpending():
                time.sleep(0.1)
        return original(*args, **kwargs)

    return call


program = Path(__file__).parent.parent.parent / "main.py"
sys.path.insert(0, str(program.parent))
if (where, count) == ("agent", 0):
    importlib.import_module = end_the_agent_at_the_start(importlib.import_module)
elif where == "finish":
    from training.loggers import RunLogger

    RunLogger.finish = die_at_count(RunLogger.finish)
elif where != "replace":
    torch.optim.SGD.step = die_at_count(torch.optim.SGD.step)
else:
    os.replace = die_at_count(os.replace)

sys.argv = [str(program), *arguments]
runpy.run_path(str(program), run_name="__main__")
