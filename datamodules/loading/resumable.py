"""A data module that resumes exactly in the middle of an epoch, because its samples are keyed by (epoch, index)."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sized
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from PIL import Image
from pytorch_lightning.utilities.rank_zero import rank_zero_info
from torch.utils.data import Dataset

from datamodules.errors import DataError, at_least, checked
from datamodules.loading import keyed
from datamodules.loading.cache import PixelCache
from datamodules.loading.damaged import SkipDamaged
from datamodules.loading.decode import FastDecoder, decode_rgb
from datamodules.loading.file_set import FileSet
from datamodules.loading.index import FolderImages, scan_flat
from datamodules.loading.on_device import batch_on_device, check_normalisation
from datamodules.loading.padded import PaddedBatch, collate, collate_padded
from datamodules.loading.samplers import EvalSampler, TrainSampler
from datamodules.loading.workers import WorkersLoader, worker_init

# Names on the command line of the stored settings; entries that are not listed describe the data.
_SETTINGS = {
    "batch_size": "data.batch_size",
    "eval_batch_size": "data.eval_batch_size",
    "seed": "seed_everything or data.seed",
    "world_size": "devices x num_nodes",
}


_DATA = ("train_size", "training files", "eval_batch_size")
"""Entries that may change under `run.accept_changed_data`."""


IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class KeyedLoader(WorkersLoader):
    """A loader that Lightning takes for stateful, so that it does not warn; the data module restores the position."""

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class ResumableDataModule(pl.LightningDataModule, ABC):
    """Global batches, keyed loaders, and the position in the data as checkpoint state.

    A subclass implements the abstract methods; its training set also has `file(key)`, the path of a sample. Optional
    attributes, as in `ImageNetDataModule`: `num_classes`, `class_names` and `targets_of` ("image" or "pixel") are
    compared with the network's; with a `validation_key`, `validate` keeps a record; studies that load checkpoints call
    `eval_set_key`, `eval_files`, `class_folders` and `image_size`. A subclass that needs other loaders makes them with
    `make_eval_loader`. If targets are maps, padded batches, of `padded_batch` images, have `padded_fill` beyond them.

    Args:
        root: Folder of the data.
        batch_size: Training images in one batch over all processes, before gradient accumulation.
        eval_batch_size: Evaluation images in one batch over all processes; null takes batch_size.
        mean: Mean of each channel (red, green, blue) to subtract, on a scale of 0 to 1.
        std: Standard deviation of each channel to divide by, on a scale of 0 to 1.
        num_workers: Loader processes for each training process; 0 loads in the process itself.
        seed: Seed of order, sampling and augmentation.
        predict_folder: Folder of images, in any depth, for `predict`.
        margin: Pixels of real context that evaluation images carry on each side of what is evaluated: the network uses
            them under model.padding_at_test=valid, and any other scheme pads there instead; null for none.
        eval_padded: Whether `validate` pads images of different sizes to one batch.
        cache_index: Whether to keep class centroids of the labels below $XDG_CACHE_HOME, or the folder to keep them in.
        loader_timeout: Seconds to wait for a loader process before giving up; 0 waits for ever.
        on_damaged: "error" stops at a training image that cannot be decoded; "skip" takes the next index of the epoch.
        max_skipped: Damaged images that "skip" passes over before it stops, too.
        cache: Folder of decoded images that `main.py cache` made, to read instead of decoding; changes no pixel.
        fast: Whether to load images in faster ways that move pixels by roundings (docs/data.md says which).
    """

    padded_batch = "eval_batch_size"
    padded_fill: int | None = None

    def __init__(
        self,
        *,
        root: str,
        batch_size: int,
        eval_batch_size: int | None = None,
        mean: tuple[float, float, float] = IMAGENET_MEAN,
        std: tuple[float, float, float] = IMAGENET_STD,
        num_workers: int = 4,
        seed: int = 0,
        predict_folder: str | None = None,
        margin: int | None = None,
        eval_padded: bool = False,
        cache_index: bool | str = True,
        loader_timeout: int = 600,
        on_damaged: Literal["error", "skip"] = "error",
        max_skipped: int = 100,
        cache: str | None = None,
        fast: bool | None = None,
    ):
        super().__init__()
        self.root = Path(root).expanduser()
        self.predict_folder = expanded(predict_folder)
        self.cache_index = cache_index
        self.cache, self.fast = expanded(cache), fast
        self.mean, self.std = tuple(mean), tuple(std)
        check_normalisation(self.mean, self.std)
        self.batch_size = at_least(1, "batch_size", batch_size)
        eval_batch_size = batch_size if eval_batch_size is None else eval_batch_size
        self.eval_batch_size = at_least(1, "eval_batch_size", eval_batch_size)
        self.num_workers = at_least(0, "num_workers", num_workers)
        self.loader_timeout = at_least(0, "loader_timeout", loader_timeout)
        self.seed = seed
        self.margin, self.eval_padded = at_least(0, "margin", margin or 0), eval_padded
        checked("margin", margin, not (margin and eval_padded), "null with eval_padded, which cuts no image")
        self.on_damaged, self.max_skipped = on_damaged, at_least(0, "max_skipped", max_skipped)
        self.noted_in: Path | None = None
        self.accept_changed_data = False
        self._start: tuple[int, int] | None = None
        self._overfitting: pl.Trainer | None = None

    @property
    def margin_key(self) -> dict[str, int]:
        """The margin's entry in the keys of evaluation sets; empty without a margin, as in older records."""
        return {"margin": self.margin} if self.margin else {}

    @property
    @abstractmethod
    def train_size(self) -> int:
        """Samples in an epoch; the last ones that fill no batch are left out."""

    @abstractmethod
    def train_set_key(self) -> dict[str, int | str]:
        """What decides the training samples besides seed and batch: size, digest of the files, augmentation."""

    @abstractmethod
    def file_sets(self) -> dict[str, FileSet]:
        """The files of `fit`, as "training" and "validation"; reads the contents of a sample of them."""

    @abstractmethod
    def train_set(self) -> Dataset:
        """The training samples, for keys (epoch, index)."""

    @abstractmethod
    def val_set(self) -> Dataset:
        """The images of `validate`."""

    @abstractmethod
    def test_set(self) -> Dataset:
        """The images of `test`."""

    @abstractmethod
    def predict_transform(self) -> Callable[[Image.Image, str], torch.Tensor]:
        """The transform of an image of `predict_folder` to a uint8 tensor (3, height, width)."""

    @property
    def pixel_cache(self) -> PixelCache | None:
        """The cache of decoded images, if the setting `cache` names one; `main.py cache` builds it."""
        return None

    @property
    def decode(self) -> Callable[[str], Any]:
        """The function that decodes a file to RGB."""
        return FastDecoder(self.noted_in) if self.fast else decode_rgb

    @property
    def rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    @property
    def fitting(self) -> bool:
        return self.trainer is not None and self.trainer.state.fn == "fit"

    def setup(self, stage: str | None = None) -> None:
        """Finds errors before the first batch; raises DataError as `check` does."""
        # `setup` precedes load_state_dict: another `fit` with this object must not start at an old position.
        self._start = None
        self.check(stage)

    def check(self, stage: str | None = None) -> None:
        """Finds and checks the files that a stage needs, and loads the first sample of each set as the workers do.

        Args:
            stage: "fit", "validate", "test" or "predict"; None checks all of them but "predict".

        Raises:
            DataError: unusable files or settings: a missing root or split, an image that cannot be decoded or is
                smaller than the crop, a batch that does not divide by the processes, too few images for one batch.
        """
        self.check_trainer()
        if stage != "predict" and self.pixel_cache is not None:
            self.pixel_cache.check()
        if stage == "predict":
            self._predict_set()[0]
        if stage in ("fit", None):
            self._samples()[0, 0]
            self.train_dataloader()
        if stage in ("fit", "validate", None):
            self.val_set()[0]
        if stage in ("test", None):
            self.test_set()[0]

    @property
    def validates_padded(self) -> bool:
        return self.eval_padded and not self.fitting

    def val_dataloader(self) -> KeyedLoader:
        return self.make_eval_loader("val", self.val_set(), self.validates_padded)

    def test_dataloader(self) -> KeyedLoader:
        return self.make_eval_loader("test", self.test_set())

    def predict_dataloader(self) -> KeyedLoader:
        return self.make_eval_loader("predict", self._predict_set())

    def _predict_set(self) -> FolderImages:
        if self.predict_folder is None:
            raise DataError("`predict_folder` is not set", todo="Set it to a folder of images.")
        folder = str(self.predict_folder)
        checked("predict_folder", folder, self.predict_folder.is_dir(), "a folder of images that exists")
        return FolderImages(scan_flat(self.predict_folder), self.predict_transform())

    def on_after_batch_transfer(self, batch: tuple | PaddedBatch, dataloader_idx: int) -> tuple | PaddedBatch:
        return batch_on_device(batch, self.mean, self.std, self.trainer)

    def check_trainer(self) -> None:
        """Refuses batches that do not divide by the processes, and Trainers that would replace the sampler.

        Handles the Trainer's `overfit_batches` here, by repeating the first batches of epoch 0: Lightning would replace
        our sampler by one of plain positions, but training samples are keyed by (epoch, index).
        """
        self.per_process("batch_size")
        self.per_process("eval_batch_size")
        if share := getattr(self.trainer, "overfit_batches", 0):
            # The Trainer has already derived its limits of batches from it.
            self.trainer.overfit_batches, self._overfitting = 0, self.trainer
            count = f"{share} batches" if isinstance(share, int) else f"{100 * share:g} % of the batches"
            trains = f"every epoch trains on the first {count} of epoch 0, images and augmentation the same, and "
            if (command := self.trainer.state.fn) in (None, "fit", "validate"):
                trains = "" if command == "validate" else trains
                rank_zero_info(f"trainer.overfit_batches: {trains}validates on the first {count} of the validation set")
        connector = getattr(self.trainer, "_accelerator_connector", None)
        if self.world_size > 1 and getattr(connector, "use_distributed_sampler", False):
            raise DataError(
                "the Trainer would put its own sampler in place of ours, which repeats images and breaks resuming",
                todo="Set `use_distributed_sampler: false` in the Trainer.",
            )

    def per_process(self, name: str) -> int:
        """Images of a batch per process; `name` is "batch_size", "eval_batch_size", or a setting of a subclass.

        Raises DataError unless the batch divides by the number of processes.
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

    def train_dataloader(self) -> KeyedLoader:
        """The training loader; begins at the restored position, if there is one."""
        start, dataset = self._start or (0, 0), self._samples()
        self._refuse_lost_position()
        sampler = self._sampler(dataset, self.rank, start)
        # Lightning creates the iterator, from which workers prefetch, before it calls set_epoch.
        if self.trainer:
            sampler.set_epoch(max(start[0], self.trainer.fit_loop.epoch_progress.current.processed))
        return self._make_loader("train", dataset, sampler, "batch_size", collate)

    def _sampler(self, dataset: Dataset, rank: int, start: tuple[int, int]) -> TrainSampler:
        repeats = self.trainer is not None and self._overfitting is self.trainer
        return TrainSampler(len(dataset), self.batch_size, rank, self.world_size, self.seed, start, repeats)

    def _samples(self) -> Dataset:
        samples = self.train_set()
        return SkipDamaged(samples, self.max_skipped, self.noted_in) if self.on_damaged == "skip" else samples

    def batch_files(self, epoch: int, batch: int, rank: int) -> list[str]:
        """The files of a training batch that one process loads."""
        dataset = self.train_set()
        sampler = self._sampler(dataset, rank, (epoch, batch))
        return [dataset.file(key) for key in islice(sampler, self.per_process("batch_size"))]

    def make_eval_loader(self, name: str, dataset: Dataset, padded: bool = False) -> KeyedLoader:
        """A loader that serves each image once over all processes, with equally many batches on each."""
        sampler = EvalSampler(len(dataset), self.rank, self.world_size)
        batch, collate_fn = "eval_batch_size", collate
        if padded:
            batch, collate_fn = self.padded_batch, partial(collate_padded, target_fill=self.padded_fill)
        return self._make_loader(name, dataset, sampler, batch, collate_fn)

    def _make_loader(
        self, name: str, dataset: Dataset, sampler: Sized, batch: str, collate_fn: Callable
    ) -> KeyedLoader:
        # Without its own generator a loader draws the base seed of its workers from torch's global one.
        generator = torch.Generator()
        generator.manual_seed(int(keyed.philox(self.seed, "loader", name).random_raw() >> 1))
        return KeyedLoader(
            dataset,
            batch_size=self.per_process(batch),
            sampler=sampler,
            collate_fn=collate_fn,
            num_workers=self.num_workers,
            worker_init_fn=worker_init,
            # Workers start once per run: starting takes seconds, and each holds the plan of an epoch.
            persistent_workers=self.num_workers > 0,
            timeout=self.loader_timeout if self.num_workers > 0 else 0,
            # Pinned batches are copied to the GPU while it computes; without a GPU the copy is wasted.
            pin_memory=self.trainer is not None and self.trainer.strategy.root_device.type == "cuda",
            generator=generator,
        )

    def state_dict(self) -> dict[str, Any]:
        """The next position in the training data, and the settings under which it names the same samples."""
        if not self.fitting:
            return {}
        epoch, batch = next_position(self.trainer)
        epochs = self.trainer.fit_loop.epoch_progress.current
        # After the last batch the epoch's validation may still come, for which each process keeps its own sums.
        return {"epoch": epoch, "batch": batch, "within": epochs.started != epochs.processed, **self._run_key()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the position of a checkpoint in `fit`; ignored by other commands.

        Raises DataError if the training samples would differ from those of the interrupted run.
        """
        if self.trainer is not None and not self.fitting:
            return
        _refuse_mismatch(state, self._run_key(), self.accept_changed_data)
        if state["batch"] > (batches := self.train_size // self.batch_size):
            raise DataError(
                f"the checkpoint stands after batch {state['batch']} of an epoch that has {batches} now",
                todo="Add images, or restore the data.",
            )
        self._start = (state["epoch"], state["batch"])

    def _run_key(self) -> dict[str, int | str]:
        return {
            "batch_size": self.batch_size,
            # Convolutions round differently in batches of another size, and so would the validation.
            "eval_batch_size": self.eval_batch_size,
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
                todo="Resume with its own data module, or start from its weights: --model.init_from=CHECKPOINT.",
            )


def _refuse_mismatch(stored: dict[str, Any], current: dict[str, int | str], accept_changed_data: bool) -> None:
    # Old checkpoints do not contain eval_batch_size.
    current = {name: value for name, value in current.items() if name in stored or name != "eval_batch_size"}
    if stored.get("batch") == 0 and not stored.get("within"):
        # Between epochs the number of processes may change: batches are global, and no process holds partial sums.
        current.pop("world_size", None)
    if accept_changed_data:
        current = {name: value for name, value in current.items() if name not in _DATA}
    changed = {name for name, value in current.items() if stored.get(name) != value}
    if changed:
        wrong = [
            f"{_SETTINGS.get(name, name)} was {stored.get(name)!r} and is {value!r}"
            for name, value in current.items()
            if name in changed
        ]
        raise DataError(
            f"the checkpoint was trained on other data, or in another way: {'; '.join(wrong)}",
            todo="Restore these to resume"
            + (", say --run.accept_changed_data=true to go on" if changed <= set(_DATA) else "")
            + ", or start a new run from its weights: --model.init_from=CHECKPOINT.",
        )


def next_position(trainer: pl.Trainer) -> tuple[int, int]:
    """(epoch, batch) of the first training batch that has not been trained on.

    Valid in every hook. Lightning raises `processed` before the hooks that save checkpoints and `completed` after them.
    The batch counters keep their last value until the next epoch begins, so they count only within an epoch. An epoch
    that `max_steps` or an early stop ends early counts as over, as in Lightning.
    """
    epochs = trainer.fit_loop.epoch_progress.current
    if epochs.started == epochs.processed:
        return epochs.processed, 0
    batches = trainer.fit_loop.epoch_loop.batch_progress.current.processed
    if batches >= trainer.num_training_batches:
        return epochs.processed + 1, 0
    return epochs.processed, batches


def expanded(path: str | None) -> Path | None:
    """The path with ~ expanded; None for None."""
    return None if path is None else Path(path).expanduser()
