"""The order of the images in an epoch, and each process's share of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from torch.utils.data import Sampler

from datamodules.errors import DataError
from datamodules.loading import keyed

# Index in the place of an image, for a process that has one image fewer than the others.
STAND_IN = -1


@dataclass(eq=False)
class TrainSampler(Sampler[tuple[int, int]]):
    """Yields keys (epoch, index) in an order that is a function of (seed, epoch).

    Global batch b of an epoch is order[b * batch_size : (b + 1) * batch_size] for any number of processes; process r of
    W takes every W-th image of it, beginning with the r-th. The last images that fill no batch are left out of that
    epoch, so that each step has batch_size images. (The scripts of the paper's authors keep the smaller batch.)

    Args:
        size: images in the training set.
        batch_size: images in a global batch.
        rank: this process.
        world_size: processes.
        seed: seed of the order.
        start: (epoch, batch) to begin at; batches before it are skipped in that epoch only.
        repeats: whether every epoch yields the keys of epoch 0: the same images with the same augmentation.

    Raises:
        DataError: the training set is smaller than one global batch.
    """

    size: int
    batch_size: int
    rank: int = 0
    world_size: int = 1
    seed: int = 0
    start: tuple[int, int] = (0, 0)
    repeats: bool = False

    def __post_init__(self):
        self.epoch, self.batches = self.start[0], self.size // self.batch_size
        if self.batches == 0:
            raise DataError(
                f"the training set has {self.size} images, fewer than one global batch of {self.batch_size}",
                todo="Lower `batch_size`.",
            )

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this at the start of each epoch."""
        self.epoch = epoch

    def order(self, epoch: int) -> np.ndarray:
        """The order of all indices in an epoch, int64."""
        return keyed.permutation(self.size, self.seed, "order", epoch)

    def __len__(self) -> int:
        # The full length, also of a resumed epoch: Lightning adds the batches that are already done itself.
        return self.batches * (self.batch_size // self.world_size)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        skipped = self.start[1] if self.epoch == self.start[0] else 0
        epoch = 0 if self.repeats else self.epoch
        mine = self.order(epoch)[: self.batches * self.batch_size][self.rank :: self.world_size]
        return ((epoch, index) for index in mine[skipped * (self.batch_size // self.world_size) :].tolist())


@dataclass(eq=False)
class EvalSampler(Sampler[int]):
    """Yields each index exactly once over all processes, in file order, and equally many on each process.

    A process that is one index short yields STAND_IN at the end: with fewer batches than the others it would leave them
    waiting in a collective.

    Args:
        size: images in the set.
        rank: this process.
        world_size: processes.
    """

    size: int
    rank: int = 0
    world_size: int = 1

    def __len__(self) -> int:
        return -(-self.size // self.world_size)

    def __iter__(self) -> Iterator[int]:
        mine = list(range(self.rank, self.size, self.world_size))
        return iter(mine + [STAND_IN] * (len(self) - len(mine)))
