"""Worker processes that leave signals to their parent; and one function called for many files in several of them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.errors import DataError, at_least
from processes.signals import SIGNALS, blocked

_ITEMS_A_BATCH = 8


class WorkersLoader(DataLoader):
    """A DataLoader whose workers no SIGTERM, SIGINT or SIGUSR1 ends but their parent's; give it `worker_init`.

    Schedulers signal all processes of a job, and a terminal does: were a worker to die of it, the main process would
    fail before it could save.
    """

    def __iter__(self) -> Iterator[Any]:
        # Workers are started here, with the signals blocked from their first instruction on.
        with blocked():
            return super().__iter__()


def worker_init(worker: int) -> None:
    """Ends this worker when its parent terminates it or is gone, even if it hangs in reading a file."""
    # macOS can't tell who sent a signal: nothing is blocked there.
    if hasattr(signal, "sigtimedwait"):
        parent = multiprocessing.parent_process().pid
        starter = os.getppid() if multiprocessing.get_start_method() == "forkserver" else parent
        threading.Thread(target=_end_with, args=(parent, starter), daemon=True).start()


def _end_with(parent: int, starter: int) -> None:
    while os.getppid() == starter:
        heard = signal.sigtimedwait(SIGNALS, 1.0)
        if heard and (heard.si_signo, heard.si_pid) == (signal.SIGTERM, parent):
            break
    os._exit(0)


def map_in_workers(function: Callable[[int], Any], size: int, num_workers: int) -> Iterator[Any]:
    """function(0), ..., function(size - 1) in this order, from `num_workers` processes, 0 for this one.

    Where the function raises a DataError, that error is yielded: a worker's error raised in this process would have the
    worker's whole traceback for a message.
    """
    loader = WorkersLoader(
        _Calls(function, size),
        batch_size=_ITEMS_A_BATCH,
        collate_fn=list,
        num_workers=min(at_least(0, "workers", num_workers), size),
        worker_init_fn=worker_init,
        # A loader without a generator of its own draws from torch's global one.
        generator=torch.Generator(),
    )
    for batch in loader:
        yield from batch


@dataclass(eq=False)
class _Calls(Dataset):
    function: Callable[[int], Any]
    size: int

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        try:
            return self.function(index)
        except DataError as error:
            # Without the exception that caused it, which may not survive the way to the other process.
            return type(error)(str(error))
