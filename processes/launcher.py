"""Starts the processes of one run together, and ends all of them with the status of the first one that fails."""

import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.utilities.distributed import _set_num_threads_if_needed
from pytorch_lightning.strategies.launchers import _MultiProcessingLauncher, _SubprocessScriptLauncher

from processes.signals import GRACE, PARENT, PATIENCE, SIGNALS, blocked, left_by
from records.errors import UserError, is_for_users

LIMIT = "PADDING_RENDEZVOUS"
"""Environment variable: seconds that processes wait for one another before training; 10 minutes by default."""


class Launcher(_SubprocessScriptLauncher):
    """Lightning's launcher, but with time to save at a failure: Lightning's kills all processes within 5 seconds.

    Processes that it starts begin with the signals blocked, until StopSignal unblocks them: until then the first
    process, which gets the signals too, ends all. They end when their parent ends (`processes.signals`).
    """

    def launch(self, function: Callable, *args: Any, trainer: pl.Trainer | None = None, **kwargs: Any) -> Any:
        """Starts the other processes of this machine, then calls `function` with the rest of the arguments.

        Raises:
            UserError: if the processes cannot connect, because of a wrong address or a taken port.
            SystemExit: with the status of another process of this machine that failed first.
        """
        self._status, self._handled, self._over = 0, threading.Event(), threading.Event()
        waiting_limit()
        environment = self.cluster_environment
        environment.validate_settings(num_devices=self.num_processes, num_nodes=self.num_nodes)
        if not environment.creates_processes_externally:
            os.environ[PARENT] = str(os.getpid())
            with blocked():
                self._call_children_scripts()
            del os.environ[PARENT]
            threading.Thread(target=self._observe, daemon=True).start()
        if self.num_processes * self.num_nodes > 1:
            threading.Thread(target=self._limit_waiting, daemon=True).start()
        _set_num_threads_if_needed(num_processes=self.num_processes)
        try:
            return function(*args, **kwargs)
        except torch.distributed.DistError as error:
            self._blame(error)
            if torch.distributed.is_initialized():
                raise
            raise UserError(f"{self._meeting} cannot meet: {str(error).splitlines()[0]}") from error
        except Exception as error:
            self._blame(error)
            raise
        finally:
            self._over.set()

    @property
    def _meeting(self) -> str:
        address = f"{self.cluster_environment.main_address}:{self.cluster_environment.main_port}"
        return f"{self.num_processes * self.num_nodes} processes at {address}"

    def _limit_waiting(self) -> None:
        limit = waiting_limit()
        end = time.monotonic() + limit
        if self.num_nodes > 1 and self.cluster_environment.local_rank() == 0:
            machine = f"machine {self.cluster_environment.node_rank()} of {self.num_nodes}"
            say(f"{machine} waits for {self._meeting}, at most {limit:g} s ({LIMIT}); start the others now")
        while not (self._over.wait(0.5) or torch.distributed.is_initialized()):
            if time.monotonic() > end:
                # Not sys.exit, which would end this thread only: the main thread waits in C++.
                say(f"error: waited {limit:g} s ({LIMIT}) for {self._meeting}; not all came")
                os._exit(1)

    def _observe(self) -> None:
        """Waits until a process fails, then ends this one if it hangs, for instance in a collective of NCCL."""
        codes = [None]
        while None in codes and not any(codes):
            time.sleep(0.2)
            codes = [process.poll() for process in self.procs]
        rank, code = next(((rank, code) for rank, code in enumerate(codes, 1) if code), (0, 0))
        if not code:
            return
        if code < 0:
            name = signal.Signals(-code).name
            say(f"error: process {rank} was killed by {name}" + " (out of memory?)" * (name == "SIGKILL"))
        # Popen reports a death by signal N as -N, shells as 128 + N.
        self._status = 128 - code if code < 0 else code
        # A signal that stopped another process stops this one in the same way, with a checkpoint.
        if self._status - 128 in SIGNALS:
            os.kill(os.getpid(), self._status - 128)
        time.sleep(PATIENCE)
        if left_by() or self._handled.is_set():
            time.sleep(GRACE)
        os._exit(self._status)

    def _blame(self, error: Exception) -> None:
        """Waits for the end of another process, of whose failure `error` may be a result; then exits with its status.

        That process has printed why it failed.
        """
        end = time.monotonic() + (GRACE if is_of_communication(error) else PATIENCE if PARENT in os.environ else 0)
        # In a process with a PARENT, the thread `processes.signals._watch` ends the process when the parent ends.
        while time.monotonic() < end:
            if self._status:
                self._handled.set()
                sys.exit(self._status)
            time.sleep(0.1)


def waiting_limit() -> float:
    """Returns the seconds that processes wait for one another; raises UserError if LIMIT is set to anything else."""
    text = os.environ.get(LIMIT, "600")
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise UserError(f"{LIMIT} is '{text}'; it must be a number of seconds above 0")
    return limit


def is_of_communication(error: Exception) -> bool:
    """Returns whether a collective failed, as it does in all processes when one of them ends."""
    if is_for_users(error):
        return False
    # Gloo's errors have no class of their own.
    return isinstance(error, torch.distributed.DistError) or re.search("gloo|NCCL|Connection", str(error)) is not None


def end_together(trainer: pl.Trainer) -> None:
    """Replaces Lightning's signal handlers and launcher by `processes.signals` and `Launcher`.

    Raises:
        UserError: for a strategy that forks or spawns its processes.
    """
    # Lightning's handler of SIGTERM broadcasts, which hangs if two processes get the signal together.
    trainer._signal_connector.register_signal_handlers = lambda: None
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher):
        # Here the first process only waits for the others: a signal to it was seen to stop no training, and to end a
        # finished run with status 143.
        raise UserError(
            "trainer.strategy forks or spawns processes that hear of no signal to the first one; say ddp in the place "
            "of ddp_fork, ddp_spawn or ddp_notebook"
        )
    if isinstance(launcher, _SubprocessScriptLauncher):
        trainer.strategy._launcher = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)


def say(line: str) -> None:
    """Prints a line to stderr; unlike `print` it is safe in any thread."""
    os.write(2, f"{line}\n".encode())
