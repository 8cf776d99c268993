"""A data module that resumes exactly in the middle of an epoch, because its samples are keyed by (epoch, index)."""

from abc import abstractmethod
from collections.abc import Callable, Sequence, Sized
from typing import Any

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.errors import DataError
from datamodules.loading import keyed
from datamodules.loading.position import next_position
from datamodules.loading.samplers import EvalSampler, TrainSampler

# What each stored setting is called on the command line; others are the data itself.
_SETTINGS = {
    "batch_size": "data.batch_size",
    "seed": "seed_everything or data.seed",
    "world_size": "devices x num_nodes",
}


class KeyedLoader(DataLoader):
    """A DataLoader that counts as stateful for Lightning; the data module's state holds its position."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class ResumableDataModule(pl.LightningDataModule):
    """Global batches, keyed loaders, and the position in the data as checkpoint state.

    A subclass gives `train_set_key`, and makes its loaders with `make_train_loader` and `make_eval_loader`.

    Args:
        batch_size: training images in one batch over all processes.
        eval_batch_size: evaluation images in one batch over all processes; None takes `batch_size`.
        num_workers: loader processes for each training process; 0 loads in the process itself.
        seed: seed of order and augmentation.
        loader_timeout: seconds to wait for a worker before giving up.
        eval_padded: whether `validate` pads images of different sizes to one batch instead of cropping them.
    """

    def __init__(
        self,
        batch_size: int,
        eval_batch_size: int | None,
        num_workers: int,
        seed: int,
        loader_timeout: int,
        eval_padded: bool = False,
    ):
        super().__init__()
        self.batch_size = at_least(1, batch_size, "batch_size")
        self.eval_batch_size = at_least(
            1, batch_size if eval_batch_size is None else eval_batch_size, "eval_batch_size"
        )
        self.num_workers = at_least(0, num_workers, "num_workers")
        self.loader_timeout = at_least(0, loader_timeout, "loader_timeout")
        self.seed = seed
        self.eval_padded = eval_padded
        self._start: tuple[int, int] | None = None

    @abstractmethod
    def train_set_key(self) -> dict[str, int | str]:
        """What determines the training samples besides seed and batch: size, digest of the files, augmentation."""

    @property
    def rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    @property
    def fitting(self) -> bool:
        return self.trainer is not None and self.trainer.state.fn == "fit"

    def check_trainer(self) -> None:
        """Refuse batches that do not divide over the processes, and Trainers that would replace the sampler."""
        self.per_process("batch_size")
        self.per_process("eval_batch_size")
        # Lightning would sample positions in order then, and our training samples are asked for by (epoch, index).
        if getattr(self.trainer, "overfit_batches", 0):
            raise DataError(
                "`overfit_batches` replaces the sampler that the samples are keyed by",
                todo="Use `limit_train_batches`, or `data.images_per_class` for fewer images.",
            )
        connector = getattr(self.trainer, "_accelerator_connector", None)
        if self.world_size > 1 and getattr(connector, "use_distributed_sampler", False):
            raise DataError(
                "the Trainer would put its own sampler in place of ours, which repeats images and breaks resuming",
                todo="Set `use_distributed_sampler: false` in the Trainer.",
            )

    def per_process(self, name: str) -> int:
        """Images of one process in a batch; `name` is "batch_size", "eval_batch_size", or a subclass's own.

        Raises:
            DataError: the batch does not divide by the number of processes.
        """
        size = getattr(self, name)
        if size % self.world_size:
            lower = size // self.world_size * self.world_size
            near = f"{lower} or {lower + self.world_size}" if lower else f"{self.world_size}"
            raise DataError(
                f"`{name}` is {size} over all processes, which does not divide by {self.world_size} processes",
                todo=f"Set it to {near}, or change the number of devices.",
            )
        return size // self.world_size

    def make_train_loader(self, dataset: Dataset, sampler: type[TrainSampler] = TrainSampler) -> KeyedLoader:
        """The training loader, which begins at the restored position, if one was restored."""
        start = self._start or (0, 0)
        self._refuse_lost_position()
        sampler = sampler(len(dataset), self.batch_size, self.rank, self.world_size, self.seed, start)
        # Lightning makes the loader's iterator, and workers prefetch from it, before it calls set_epoch.
        if self.trainer:
            sampler.set_epoch(max(start[0], self.trainer.fit_loop.epoch_progress.current.processed))
        return self._make_loader("train", dataset, sampler, "batch_size", drop_last=True)

    def make_eval_loader(
        self,
        name: str,
        dataset: Dataset,
        batch: str = "eval_batch_size",
        collate_fn: Callable[[list[tuple]], tuple] | None = None,
    ) -> KeyedLoader:
        """A loader that serves each image once over all processes, in as many batches on each."""
        sampler = EvalSampler(len(dataset), self.rank, self.world_size)
        return self._make_loader(name, dataset, sampler, batch, drop_last=False, collate_fn=collate_fn)

    def _make_loader(
        self,
        name: str,
        dataset: Dataset,
        sampler: Sized,
        batch: str,
        drop_last: bool,
        collate_fn: Callable[[list[tuple]], tuple] | None = None,
    ) -> KeyedLoader:
        # Without a generator of its own a loader draws its workers' base seed from torch's global one.
        generator = torch.Generator()
        generator.manual_seed(int(keyed.philox(self.seed, "loader", name).random_raw() >> 1))
        return KeyedLoader(
            dataset,
            batch_size=self.per_process(batch),
            sampler=sampler,
            drop_last=drop_last,
            collate_fn=collate_fn or collate,
            num_workers=self.num_workers,
            # Workers are started once a run: starting them costs time, and they hold the plan of an epoch.
            persistent_workers=self.num_workers > 0,
            timeout=self.loader_timeout if self.num_workers > 0 else 0,
            # Page-locked batches are copied to the GPU while it computes; on a CPU the copy would be wasted.
            pin_memory=self._on_cuda(),
            generator=generator,
        )

    def _on_cuda(self) -> bool:
        return self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"

    def state_dict(self) -> dict[str, Any]:
        """The next position in the training data, and all that must be the same for it to mean the same."""
        if not self.fitting:
            return {}
        epoch, batch = next_position(self.trainer)
        return {"epoch": epoch, "batch": batch, **self._run_key()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up the position of a checkpoint; evaluation runs have no use for it.

        Raises:
            DataError: the training samples would not be those of the interrupted run.
        """
        if self.trainer is not None and self.trainer.state.fn != "fit":
            return
        _refuse_mismatch(state, self._run_key())
        self._start = (state["epoch"], state["batch"])

    def setup(self, stage: str | None = None) -> None:
        # Comes before load_state_dict: another fit with this object starts where its own checkpoint says.
        self._start = None

    def _run_key(self) -> dict[str, int | str]:
        return {
            "batch_size": self.batch_size,
            "seed": self.seed,
            "world_size": self.world_size,
            **self.train_set_key(),
        }

    def _refuse_lost_position(self) -> None:
        if self.trainer is None or self._start is not None:
            return
        if next_position(self.trainer) != (0, 0) and self.trainer.fit_loop.restarting:
            raise DataError(
                f"the checkpoint holds no position of {type(self).__qualname__}, so it cannot be resumed exactly",
                todo="Resume with the data module that it was trained with, or load only its weights.",
            )


def collate(samples: list[tuple]) -> tuple:
    """A batch as a tuple: tensors stacked, numbers as an int64 tensor, strings as a list."""
    return tuple(collate_column(column) for column in zip(*samples, strict=True))


def collate_column(values: Sequence) -> torch.Tensor | list:
    """Values of one kind: tensors stacked, numbers as an int64 tensor, others as a list."""
    return {torch.Tensor: torch.stack, int: torch.tensor}.get(type(values[0]), list)(values)


def _refuse_mismatch(stored: dict[str, Any], current: dict[str, int | str]) -> None:
    wrong = [
        f"{_SETTINGS.get(name, name)} was {stored.get(name)!r} and is {value!r}"
        for name, value in current.items()
        if stored.get(name) != value
    ]
    if wrong:
        raise DataError(
            f"the checkpoint was trained on other data, or in another way: {'; '.join(wrong)}",
            todo="Restore these to resume, or start a new run from the checkpoint's weights.",
        )


def at_least(least: int, value: int, name: str) -> int:
    if value < least:
        raise DataError(f"`{name}` is {value}; it must be at least {least}")
    return value
