"""Loader workers that leave signals to their parent, and a map over many files in such workers."""

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
    """A DataLoader whose workers ignore SIGTERM, SIGINT and SIGUSR1 unless their parent sent them; needs `worker_init`.

    Schedulers and terminals signal all processes of a job. If a worker died of the signal, the main process would fail
    before it could save.
    """

    def __iter__(self) -> Iterator[Any]:
        # Workers start here and inherit the blocked signals, so there is no moment at which one could kill them.
        with blocked():
            return super().__iter__()


def worker_init(worker: int) -> None:
    """Ends this worker when its parent terminates it or has died, even while it hangs in reading a file."""
    # macOS has no sigtimedwait and cannot tell who sent a signal, so nothing is blocked there.
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
    """Yields function(0), ..., function(size - 1) in order, computed by `num_workers` processes (0: in this process).

    A DataError of the function is yielded instead of raised: raised through a DataLoader, its message would contain the
    worker's whole traceback.
    """
    loader = WorkersLoader(
        _Calls(function, size),
        batch_size=_ITEMS_A_BATCH,
        collate_fn=list,
        num_workers=min(at_least(0, "workers", num_workers), size),
        worker_init_fn=worker_init,
        # Without its own generator a loader draws from torch's global one.
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
            # Drops the cause, which may not be picklable.
            return type(error)(str(error))
