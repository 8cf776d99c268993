"""A run on Cityscapes that is stopped and resumed sees the batches of an uninterrupted one."""

import hashlib

import pytest
import pytorch_lightning as pl
import torch

from datamodules import CityscapesDataModule, DataError

EPOCHS = 3
# 18 scenes in batches of 5: three batches an epoch.
BATCHES = 3


class Pointwise(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 19, 1)

    def training_step(self, batch, _):
        return torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1], ignore_index=255)

    def validation_step(self, batch, _):
        assert len(batch[0]) == 1
        torch.nn.functional.cross_entropy(self.layer(batch[0]), batch[1], ignore_index=255)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


class StopError(Exception):
    pass


class Recorder(pl.Callback):
    """Notes a digest of each training batch; saves and breaks off after an epoch and batch."""

    def __init__(self, stop=None, path=None):
        self.stop, self.path, self.seen = stop, path, []

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        digest = hashlib.blake2b(batch[0].numpy().tobytes() + batch[1].numpy().tobytes(), digest_size=8).hexdigest()
        self.seen.append((trainer.current_epoch, batch_idx, digest))

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if self.stop == (trainer.current_epoch, batch_idx):
            trainer.save_checkpoint(self.path)
            raise StopError


def data_module(root, **options):
    # Coarse scenes join in the first epoch only, so that each epoch's plan is another.
    settings = {"batch_size": 5, "crop_size": 32, "num_workers": 0, "coarse_until_epoch": 1, **options}
    return CityscapesDataModule(str(root), **settings)


def fit(data, recorder, resume=None):
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        max_epochs=EPOCHS,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=[recorder],
    )
    trainer.fit(Pointwise(), data, ckpt_path=resume, weights_only=True if resume else None)


@pytest.fixture(scope="module")
def whole(street_tree):
    recorder = Recorder()
    fit(data_module(street_tree), recorder)
    assert len({digest for _, _, digest in recorder.seen}) == EPOCHS * BATCHES
    return recorder.seen


@pytest.mark.parametrize(("stop", "workers"), [((0, 0), 0), ((0, 1), 2), ((0, 2), 0), ((1, 0), 2), ((1, 2), 0)])
def test_resumed_run_sees_the_same_batches(stop, workers, whole, street_tree, tmp_path):
    first, second = Recorder(stop, tmp_path / "stopped.ckpt"), Recorder()
    with pytest.raises(StopError):
        fit(data_module(street_tree, num_workers=workers), first)
    fit(data_module(street_tree, num_workers=2 - workers), second, tmp_path / "stopped.ckpt")
    assert first.seen + second.seen == whole


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": 1}, "training files was"),
        ({"coarse": False}, "training files was .* sampling was"),
        ({"class_uniform": 0.25}, r"sampling was 'class_uniform=0\.5.* and is 'class_uniform=0\.25"),
        ({"tile_size": 64}, "sampling was"),
        ({"coarse_until_epoch": 2}, r"sampling was .*coarse_until_epoch=1.* and is .*coarse_until_epoch=2"),
        ({"crop_size": 24}, "augmentation was .*size=32.* and is .*size=24"),
        ({"jitter": 0.1}, "augmentation was"),
    ],
)
def test_resuming_on_other_samples_is_refused(change, message, street_tree):
    data, other = data_module(street_tree), data_module(street_tree, **change)
    with pytest.raises(DataError, match=message):
        other.load_state_dict({"epoch": 0, "batch": 1, **data._run_key()})
