"""A run of a tiny network in this process, with the callbacks and loops of `fit`, that an exception ends anywhere."""

from pathlib import Path

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Checkpoint
from torchmetrics import MeanMetric
from torchmetrics.classification import MulticlassAccuracy

from datamodules.loading.resumable import ResumableDataModule
from records import RunFolder, RunRecord
from training.callbacks import RunRecorder, StopSignal, best_and_last_epochs
from training.checkpoint_files import AtomicCheckpointIO
from training.loops import install_loops
from training.resume import KeyedRandomness, MetricState, ResumeCheckpoint

BATCHES = 7
"""Training batches an epoch, of 2 images. Validation has 5 batches of 2."""

MONITOR = "val/acc1"


class Samples(torch.utils.data.Dataset):
    """Noise; a training sample is a function of its key (epoch, index)."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, key):
        epoch, index = key if isinstance(key, tuple) else (1000, key)
        generator = torch.Generator().manual_seed(1000 * epoch + index)
        image = torch.randint(256, (3, 2, 2), generator=generator, dtype=torch.uint8)
        return image, int(image.float().mean() > 127) + 2 * (index % 2)


class Data(ResumableDataModule):
    def __init__(self):
        norm = {"mean": (0.5, 0.5, 0.5), "std": (0.3, 0.3, 0.3)}
        rest = {"predict_folder": None, "cache_index": False, "loader_timeout": 0, "eval_padded": False}
        super().__init__(root=".", batch_size=2, num_workers=0, seed=0, **norm, **rest)

    train_size = 2 * BATCHES + 1

    def train_set_key(self):
        return {"images": self.train_size}

    def file_sets(self):
        return {}

    def train_set(self):
        return Samples(self.train_size)

    def val_set(self):
        return Samples(10)

    test_set = predict_transform = val_set


class Network(pl.LightningModule):
    """Dropout and momentum, so that a wrong random or optimiser state shows; `val/rare` is seldom measured."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.layer = torch.nn.Linear(12, 4)
        self.train_loss, self.accuracy = MeanMetric(), MulticlassAccuracy(4, average="micro")

    def training_step(self, batch, _):
        images, targets = batch
        logits = self.layer(torch.nn.functional.dropout(images.flatten(1), 0.3))
        loss = torch.nn.functional.cross_entropy(logits, targets)
        self.train_loss.update(loss.detach())
        return loss

    def on_train_epoch_start(self):
        self.train_loss.reset()

    def on_train_epoch_end(self):
        self.log("train/loss", self.train_loss.compute())

    def on_validation_epoch_start(self):
        self.accuracy.reset()

    def validation_step(self, batch, _):
        images, targets = batch
        self.accuracy.update(self.layer(images.flatten(1)), targets)
        self.validated = self.layer.weight.detach().double().sum()

    def on_validation_epoch_end(self):
        self.log(MONITOR, 100 * self.accuracy.compute())
        self.log("val/weights", self.validated)  # another one after each step
        if self.trainer.global_step % 2:
            self.log("val/rare", 1.0)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), 0.5, momentum=0.9)
        return [optimizer], [torch.optim.lr_scheduler.MultiStepLR(optimizer, [1])]


class KilledError(Exception):
    """Ends a run as a kill does: nothing is written after it."""


class Killer(Checkpoint):
    """Counts the hooks of a run, and raises KilledError in the `moment`-th; one before all callbacks, one behind them.

    A Checkpoint by class, for Lightning to keep it at its place.
    """

    def __init__(self, moment=None):
        self.moment, self.names = moment, []

    def seen(self, name):
        self.names.append(name)
        if len(self.names) - 1 == self.moment:
            raise KilledError(name)


def _hook(name):
    return lambda self, *args, **kwargs: self.seen(name)


HOOKS = ("train_epoch_start", "before_zero_grad", "train_batch_end", "validation_batch_end", "validation_end")
HOOKS += ("train_epoch_end", "train_end", "fit_end")
for _name in HOOKS:
    setattr(Killer, f"on_{_name}", _hook(_name))


def tiny_run(root: Path, killer: Killer | None = None, *callbacks, every=1, minutes=0.0, **settings) -> pl.Trainer:
    """Starts or resumes the run in the folder `root`, as `fit` does; `settings` are the Trainer's."""
    folder, signal = RunFolder(root), StopSignal()
    folder.checkpoints.mkdir(parents=True, exist_ok=True)
    RunRecord("id", "name", "group", "network", "zero", 0, 0, MONITOR).write(folder.record_file)
    recorder = RunRecorder(folder)
    own = [KeyedRandomness(0), MetricState(), signal, recorder, *best_and_last_epochs(recorder, MONITOR)]
    own += [ResumeCheckpoint(folder.checkpoints, every, signal, minutes)]
    killers = [killer, killer] if killer else []
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        plugins=[AtomicCheckpointIO()],
        callbacks=[*callbacks, *killers[:1], *own, *killers[1:]],
        **{"num_sanity_val_steps": 0, "max_epochs": 3, **settings},
    )
    install_loops(trainer)
    newest = max(folder.checkpoints.glob("resume-*.ckpt"), default=None)
    trainer.fit(Network(), Data(), ckpt_path=newest, weights_only=True)
    return trainer
