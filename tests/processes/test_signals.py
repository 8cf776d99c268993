"""A signal ends a process in order and with its own status, whatever the process waits for."""

import os
import subprocess
import sys

import pytest

from tests.support.program import ROOT

START = """
import ctypes, os, signal, sys, time
from processes import signals
signals.PATIENCE = signals.GRACE = 0.3
def kill(*names):
    for name in names:
        os.kill(os.getpid(), getattr(signal, "SIG" + name))
"""

IN_C = "lock = (ctypes.c_char * 64)(); c = ctypes.CDLL(None); c.pthread_mutex_lock(lock); c.pthread_mutex_lock(lock)"
"""Waits for ever, and no handler of Python's runs meanwhile."""

CLEANING = "with signals.listening():\n try: kill('{}')\n finally: {}; print('cleaned')"


def end_of(program: str, **environment: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-c", START + program],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    ("program", "status", "output"),
    [
        ("signals.end_at_once(['fit']); kill('INT')", 130, ""),
        (CLEANING.format("TERM", "pass"), 143, "stopped by SIGTERM\ncleaned\n"),
        (CLEANING.format("USR1", "kill('TERM', 'USR1')"), 138, "stopped by SIGUSR1\ncleaned\n"),
        (CLEANING.format("INT", "kill('INT')"), -2, "stopped by SIGINT\n"),
        # Main threads that never hear of it, or that lose the SystemExit.
        (f"signals.end_at_once([]); signals.threading.Timer(0.1, kill, ['TERM']).start(); {IN_C}", 143, ""),
        (f"with signals.listening():\n signals.threading.Timer(0.1, kill, ['INT', 'INT']).start(); {IN_C}", 130, ""),
        (
            "with signals.listening():\n try: kill('TERM')\n except SystemExit: time.sleep(99)",
            143,
            "stopped by SIGTERM\n",
        ),
    ],
)
def test_status_and_output(program, status, output):
    assert end_of(program) == (status, output)


def test_a_process_ends_with_its_parent():
    assert end_of(f"signals.end_at_once([]); {IN_C}", PADDING_PARENT="1") == (1, "")


def test_notice_to_an_agents_run_waits():
    """Not a person's Ctrl-C."""
    program = "signals.end_at_once(['fit']); kill('TERM', 'USR1'); time.sleep(0.3)"
    program += "; print(len(signal.sigpending()), flush=True); kill('INT')"
    assert end_of(program, WANDB_SWEEP_ID="s") == (130, "2\n")


def test_handlers_are_put_back():
    program = "before = signal.getsignal(signal.SIGINT)\nwith signals.listening(): pass\n"
    assert end_of(f"{program}assert signal.getsignal(signal.SIGINT) is before") == (0, "")
