"""Calls one function for many files in several processes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.errors import DataError

_ITEMS_A_BATCH = 8


def map_in_workers(function: Callable[[int], Any], size: int, num_workers: int) -> Iterator[Any]:
    """function(0), ..., function(size - 1) in this order, from `num_workers` processes, 0 for this one.

    Where the function raises a DataError, that error is yielded: a worker's error raised in this process would have the
    worker's whole traceback for a message.
    """
    loader = DataLoader(
        _Calls(function, size),
        batch_size=_ITEMS_A_BATCH,
        collate_fn=list,
        num_workers=min(num_workers, size),
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
            return DataError(str(error))
