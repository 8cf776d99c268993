"""SIGTERM, SIGINT and SIGUSR1 end a process with status 128 + the signal's number, wherever it is, without a traceback.

A handler of Python's runs only between two bytecodes of the main thread: not while that waits in a library's C++, as it
does for other processes to join. So a thread hears of each signal, too, and ends a process that does not answer.
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
"""A scheduler's or an agent's notice, Ctrl-C, and SLURM's advance warning (`--signal=USR1@120`)."""

PATIENCE, GRACE = 5.0, 30.0
"""Seconds that the main thread has to hear of a signal, and then to end in order, before the process is ended."""

PARENT = "PADDING_PARENT"
"""Environment variable of a process that must not outlive its parent: the parent's process id."""

_left = 0
_end = (math.inf, 0)
"""When the process is ended, should it not have ended by itself, and by which signal."""
_watching = False


def end_at_once(arguments: list[str]) -> None:
    """Lets a signal end the process there and then, while there is nothing to clean up.

    But W&B must know a sweep's run before it ends, to hand it out again: a notice to `fit` under an agent waits for
    training.callbacks.StopSignal.

    Args:
        arguments: of the program, its command first.
    """
    _start_watching()
    for number in SIGNALS:
        signal.signal(number, _end_now)
    if arguments[:1] == ["fit"] and "WANDB_SWEEP_ID" in os.environ:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR1))


def _end_now(number: int, frame: FrameType | None = None) -> None:
    os._exit(128 + number)


def leave(number: int, frame: FrameType | None = None) -> None:
    """Handler of a signal: ends the process in order; a second Ctrl-C ends it at once.

    Raises:
        SystemExit: always, with status 128 + `number`.
    """
    global _end
    ignore_others(number)
    _end = time.monotonic() + GRACE, number
    os.write(2, f"stopped by {signal.Signals(number).name}\n".encode())
    # Looked up only now: W&B's client puts its own `sys.exit` there, and learns from it how the run ended.
    sys.exit(128 + number)


def ignore_others(number: int) -> None:
    """From now on the process ends in order by `number`: a scheduler and an agent may both give notice."""
    global _left
    _left = number
    for each in SIGNALS:
        signal.signal(each, signal.SIG_DFL if each == signal.SIGINT else signal.SIG_IGN)


def left_by() -> int:
    """The signal that ends this process, else 0. An error is then only how some library passed on the SystemExit."""
    return _left


@contextlib.contextmanager
def listening() -> Iterator[None]:
    """Lets a signal end the process by `leave` meanwhile; puts the former handlers back unless one did."""
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
    """Keeps the signals waiting meanwhile; processes started here begin, and stay, with them blocked.

    Not on macOS, where such a process could not find out which of them its parent sent.
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
        # Blocked in this thread, which would else take a signal that is blocked in the main thread.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        threading.Thread(target=_watch, args=(ours,), name="signals", daemon=True).start()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _watch(signals: socket.socket) -> None:
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
        if parent and os.getppid() != parent:
            os._exit(1)
