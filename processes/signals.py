"""Lets SIGTERM, SIGINT and SIGUSR1 end a process at any moment, with status 128 + signal number and no traceback.

Python runs a signal handler only between two bytecodes of the main thread, not while that thread waits in C++ code, for
instance for other processes to join. So a thread gets each signal too, and ends a process that does not react.
"""

import contextlib
import math
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
"""SIGTERM of a scheduler or an agent, Ctrl-C, and SLURM's advance warning (`--signal=USR1@120`)."""

PATIENCE, GRACE = 5.0, 30.0
"""Seconds that the main thread has to react to a signal, and then to exit cleanly, before the process is ended."""

PARENT = "PADDING_PARENT"
"""Environment variable that holds the parent's process id, for a process that must not outlive its parent."""

_left = 0
_end = (math.inf, 0)
"""When the process is ended if it has not exited by itself (`time.monotonic`), and the signal that asked for it."""
_watching = False


def end_at_once(arguments: list[str]) -> None:
    """Lets a signal end the process immediately, while there is nothing to clean up.

    Exception: in `fit` under a W&B agent, SIGTERM and SIGUSR1 stay blocked until training.callbacks.StopSignal, because
    W&B requeues only a run that it knows.

    Args:
        arguments: the program's arguments, its command first.
    """
    _start_watching()
    for number in SIGNALS:
        signal.signal(number, _end_now)
    if arguments[:1] == ["fit"] and "WANDB_SWEEP_ID" in os.environ:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR1))


def _end_now(number: int, frame: FrameType | None = None) -> None:
    os._exit(128 + number)


def leave(number: int, frame: FrameType | None = None) -> None:
    """Signal handler that exits cleanly, by SystemExit; a second Ctrl-C ends the process at once.

    Raises:
        SystemExit: always, with status 128 + `number`.
    """
    global _end
    ignore_others(number)
    _end = time.monotonic() + GRACE, number
    os.write(2, f"stopped by {signal.Signals(number).name}\n".encode())
    # Looked up at the call: W&B's client replaces `sys.exit` by a function that tells it how the run ended.
    sys.exit(128 + number)


def ignore_others(number: int) -> None:
    """Ignores further signals, but for Ctrl-C, while the process exits because of `number`.

    A scheduler and an agent may both send one.
    """
    global _left
    _left = number
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL if each == signal.SIGINT else signal.SIG_IGN)


def left_by() -> int:
    """Returns the signal that ends this process, else 0.

    If it is not 0, an error is only the form in which a library passed on the SystemExit.
    """
    return _left


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Makes `leave` the handler of the signals; restores the former handlers at the end unless a signal came."""
    _start_watching()
    before = {number: signal.signal(number, leave) for number in SIGNALS}
    try:
        yield
    finally:
        if not _left:
            for number, handler in before.items():
                signal.signal(number, handler)


@contextlib.contextmanager
def blocked() -> Iterator[None]:
    """Blocks the signals; processes started meanwhile begin, and stay, with the signals blocked.

    Does nothing on macOS: it lacks `sigtimedwait`, by which such a process finds out which signals its parent sent.
    """
    if not hasattr(signal, "sigtimedwait"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_watching() -> None:
    global _watching
    if not _watching:
        _watching = True
        ours, pythons = socket.socketpair()
        pythons.setblocking(False)
        signal.set_wakeup_fd(pythons.detach(), warn_on_full_buffer=False)
        # The thread starts with the signals blocked: it would otherwise take a signal that the main thread blocks.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_watch, args=(ours,), name="signals", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(signals: socket.socket) -> None:
    """Ends the process if the main thread does not react to a signal in time, or if the parent has ended."""
    global _end
    parent = int(os.environ.get(PARENT, 0))
    while True:
        if select.select([signals], [], [], 0.5)[0]:
            for number in signals.recv(64):
                if signal.getsignal(number) in (leave, _end_now):
                    again = number == signal.SIGINT and _end[1]
                    _end = time.monotonic() + (0 if again else PATIENCE), number
        if time.monotonic() >= _end[0]:
            os._exit(128 + _end[1])
        # The system gives a process whose parent ended another parent.
        if parent and os.getppid() != parent:
            os._exit(1)
