"""The processes of one run: started together, and ended together as the first one that fails ends."""

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
"""Environment variable: seconds that processes wait for one another before training, by default 10 minutes."""


class Launcher(_SubprocessScriptLauncher):
    """Lightning's launcher, with other ends: its own kills all processes, this one with them, within 5 seconds.

    A process that it starts begins with the signals blocked, for StopSignal to unblock: until then the first process,
    which gets them too, ends all. It ends when its parent does (`processes.signals`).
    """

    def launch(self, function: Callable, *args: Any, trainer: pl.Trainer | None = None, **kwargs: Any) -> Any:
        """Calls the function with the rest of the arguments once all processes of this machine are started.

        Raises:
            UserError: if the processes cannot meet, by a wrong address or a port that is taken.
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
                say(f"error: waited {limit:g} s ({LIMIT}) for {self._meeting}; not all came")
                os._exit(1)

    def _observe(self) -> None:
        """Waits for a process to fail; ends this one where that does not end by it, as in a collective of NCCL."""
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
        self._status = 128 - code if code < 0 else code
        if self._status - 128 in SIGNALS:
            os.kill(os.getpid(), self._status - 128)
        time.sleep(PATIENCE)
        if left_by() or self._handled.is_set():
            time.sleep(GRACE)
        os._exit(self._status)

    def _blame(self, error: Exception) -> None:
        """Gives another process, which printed why it failed, time to end this one: `error` may follow from that."""
        end = time.monotonic() + (GRACE if is_of_communication(error) else PATIENCE if PARENT in os.environ else 0)
        # In a process with a PARENT the thread that watches that ends the waiting.
        while time.monotonic() < end:
            if self._status:
                self._handled.set()
                sys.exit(self._status)
            time.sleep(0.1)


def waiting_limit() -> float:
    """Seconds that processes wait for one another; raises UserError if the environment names no such number."""
    text = os.environ.get(LIMIT, "600")
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not limit > 0:
        raise UserError(f"{LIMIT} is '{text}'; it must be a number of seconds above 0")
    return limit


def is_of_communication(error: Exception) -> bool:
    """Whether a collective failed, as it does in the others when one process ends."""
    if is_for_users(error):
        return False
    # Gloo's errors have no class of their own.
    return isinstance(error, torch.distributed.DistError) or re.search("gloo|NCCL|Connection", str(error)) is not None


def end_together(trainer: pl.Trainer) -> None:
    """Lets this file and `processes.signals` end the trainer's processes, in the place of Lightning's own means.

    Raises:
        UserError: for a strategy that forks or spawns its processes.
    """
    # Its handler of SIGTERM broadcasts, which hangs when two processes get the signal together.
    trainer._signal_connector.register_signal_handlers = lambda: None
    launcher = trainer.strategy.launcher
    if isinstance(launcher, _MultiProcessingLauncher):
        # The first process only waits for the others: a signal to it was seen to stop nothing, and end a finished run
        # with 143.
        raise UserError(
            "trainer.strategy forks or spawns processes that hear of no signal to the first one; say ddp in the place "
            "of ddp_fork, ddp_spawn or ddp_notebook"
        )
    if isinstance(launcher, _SubprocessScriptLauncher):
        trainer.strategy._launcher = Launcher(launcher.cluster_environment, launcher.num_processes, launcher.num_nodes)


def say(line: str) -> None:
    """Prints a line from any thread."""
    os.write(2, f"{line}\n".encode())
