"""Data modules on small trees, a Trainer's stand-in, and runs that stop in mid-epoch."""

import hashlib

import numpy as np
import pytorch_lightning as pl
import torch
from PIL import Image

from datamodules import CityscapesDataModule, ImageNetDataModule


def picture(width, height, seed=0):
    """An RGB image of random pixels."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def imagenet(root, **options):
    options = {"batch_size": 6, "image_size": 32, "eval_resize": 36, "num_workers": 0, "cache_index": False, **options}
    return ImageNetDataModule(str(root), **options)


def cityscapes(root, **options):
    options = {"batch_size": 4, "crop_size": 32, "num_workers": 0, "cache_index": False, **options}
    return CityscapesDataModule(str(root), **options)


class Processes:
    """Stands for a Trainer of several processes, in bfloat16."""

    def __init__(self, rank, world, fn="validate"):
        self.global_rank, self.world_size = rank, world
        self.state = type("State", (), {"fn": fn})
        self.strategy = type("Strategy", (), {"root_device": torch.device("cpu")})
        self.precision_plugin = type("Precision", (), {"convert_input": staticmethod(lambda images: images.bfloat16())})


def as_process(data, rank, world, fn="validate"):
    data.trainer = Processes(rank, world, fn)
    return data


def same_batches(one, other):
    return all(torch.equal(a, b) for x, y in zip(one, other, strict=True) for a, b in zip(x, y, strict=True))


class StopError(Exception):
    pass


class Recorder(pl.Callback):
    """Notes a digest of each training batch; saves and breaks off in a hook of an epoch and batch."""

    def __init__(self, stop=None, path=None):
        self.stop = stop
        self.path = path
        self.seen = []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        digest = hashlib.blake2b(batch[0].numpy().tobytes() + batch[1].numpy().tobytes(), digest_size=8).hexdigest()
        self.seen.append((trainer.current_epoch, batch_idx, digest))

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.maybe_stop("train_batch_end", trainer, batch_idx)

    def on_validation_end(self, trainer, module):
        self.maybe_stop("validation_end", trainer, trainer.fit_loop.epoch_loop.batch_idx)

    def on_train_epoch_end(self, trainer, module):
        self.maybe_stop("train_epoch_end", trainer, trainer.num_training_batches - 1)

    def maybe_stop(self, hook, trainer, batch_idx):
        if self.stop == (hook, trainer.current_epoch, batch_idx):
            trainer.save_checkpoint(self.path)
            raise StopError


QUIET = {
    "accelerator": "cpu",
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
}


def fit(module, data, recorder, resume=None, **options):
    settings = {"num_sanity_val_steps": 0, "use_distributed_sampler": False, **options}
    trainer = pl.Trainer(**QUIET, callbacks=[recorder], **settings)
    trainer.fit(module, data, ckpt_path=resume, weights_only=True if resume else None)
    return trainer
