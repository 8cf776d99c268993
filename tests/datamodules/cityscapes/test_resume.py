"""A run on Cityscapes that is stopped and resumed sees the batches of an uninterrupted one."""

import pytest
import pytorch_lightning as pl
import torch

from datamodules import DataError
from tests.datamodules.support import Recorder, StopError, cityscapes, fit

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


def data_module(root, **options):
    # Coarse scenes join in the first epoch only, so that each epoch's plan is another.
    return cityscapes(root, **{"batch_size": 5, "coarse_until_epoch": 1, **options})


def run(data, recorder, resume=None):
    fit(Pointwise(), data, recorder, resume, max_epochs=EPOCHS)


@pytest.fixture(scope="module")
def whole(street_tree):
    recorder = Recorder()
    run(data_module(street_tree), recorder)
    assert len({digest for _, _, digest in recorder.seen}) == EPOCHS * BATCHES
    return recorder.seen


@pytest.mark.parametrize(("stop", "workers"), [((0, 0), 0), ((0, 1), 2), ((0, 2), 0), ((1, 0), 2), ((1, 2), 0)])
def test_resumed_run_sees_the_same_batches(stop, workers, whole, street_tree, tmp_path):
    first, second = Recorder(("train_batch_end", *stop), tmp_path / "stopped.ckpt"), Recorder()
    with pytest.raises(StopError):
        run(data_module(street_tree, num_workers=workers), first)
    run(data_module(street_tree, num_workers=2 - workers), second, tmp_path / "stopped.ckpt")
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
