"""A run that is stopped and resumed sees the batches of an uninterrupted one."""

import shutil
from functools import partial

import pytest
import pytorch_lightning as pl
import torch

from datamodules import IGNORED_PIXEL, IGNORED_TARGET, DataError
from datamodules.loading.resumable import ResumableDataModule
from tests.datamodules.support import QUIET, Recorder, StopError, cityscapes, fit, imagenet

EPOCHS = 3
# 60 images in batches of 8: the seventh batch ends the epoch, four images are left out.
BATCHES = 7


class Pointwise(pl.LightningModule):
    """Classes of pixels, or of images from the mean over their pixels."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Conv2d(3, 19, 1)

    def training_step(self, batch, _):
        images, targets = batch
        logits = self.layer(images)
        logits, ignored = (logits.mean((2, 3)), IGNORED_TARGET) if targets.ndim == 1 else (logits, IGNORED_PIXEL)
        return torch.nn.functional.cross_entropy(logits, targets, ignore_index=ignored)

    def validation_step(self, batch, _):
        self.training_step(batch, _)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.01)


def data_module(root, **options):
    return imagenet(root, **{"batch_size": 8, "image_size": 16, "eval_resize": 18, **options})


def scenes(root, **options):
    """18 scenes in batches of 5; coarse scenes join in the first epoch only, so that each epoch's plan is another."""
    return cityscapes(root, batch_size=5, coarse_until_epoch=1, **options)


def run(data, recorder, resume=None, **options):
    return fit(Pointwise(), data, recorder, resume, **{"max_epochs": EPOCHS, **options})


def seen_whole(data, batches):
    recorder = Recorder()
    run(data, recorder)
    assert len(recorder.seen) == len({digest for _, _, digest in recorder.seen}) == EPOCHS * batches
    return recorder.seen


@pytest.fixture(scope="module")
def whole(sample_tree):
    return seen_whole(data_module(sample_tree), BATCHES)


@pytest.fixture(scope="module")
def whole_of_scenes(street_tree):
    return seen_whole(scenes(street_tree), 3)


def stop_and_resume(make, stop, workers, path, **options):
    """What both parts see; the number of workers may change between them."""
    first, second = Recorder(stop, path), Recorder()
    with pytest.raises(StopError):
        run(make(num_workers=workers), first, **options)
    run(make(num_workers=2 - workers), second, path, **options)
    return first.seen + second.seen


@pytest.mark.parametrize(
    ("stop", "workers", "options"),
    [
        (("train_batch_end", 1, 2), 2, {}),
        (("train_batch_end", 0, 0), 0, {}),
        (("train_batch_end", 0, 5), 0, {"accumulate_grad_batches": 2}),
        (("train_batch_end", 1, 6), 1, {}),
        (("validation_end", 1, 6), 0, {}),
        (("validation_end", 1, 3), 0, {"val_check_interval": 4}),
        (("train_batch_end", 1, 3), 0, {"limit_train_batches": 4}),
        (("train_epoch_end", 0, 6), 1, {}),
        (("train_epoch_end", 1, 6), 2, {}),
    ],
)
def test_resumed_run_sees_the_same_batches(stop, workers, options, whole, sample_tree, tmp_path):
    make = partial(data_module, sample_tree)
    seen = stop_and_resume(make, stop, workers, tmp_path / "stopped.ckpt", **options)
    # Stopped at the end of an epoch, Lightning has counted it or not; the batches are the same.
    limit = options.get("limit_train_batches", BATCHES)
    assert [entry[1:] for entry in seen] == [entry[1:] for entry in whole if entry[1] < limit]


@pytest.mark.parametrize(("stop", "workers"), [((0, 1), 2), ((0, 2), 0), ((1, 0), 2), ((1, 2), 0)])
def test_resumed_run_sees_the_same_scenes(stop, workers, whole_of_scenes, street_tree, tmp_path):
    make = partial(scenes, street_tree)
    assert stop_and_resume(make, ("train_batch_end", *stop), workers, tmp_path / "stopped.ckpt") == whole_of_scenes


def test_fast_samples_resume_too_and_are_another_training_set(street_tree, tmp_path):
    make, expected = partial(scenes, street_tree, fast=True), seen_whole(scenes(street_tree, fast=True), 3)
    assert stop_and_resume(make, ("train_batch_end", 0, 1), 2, tmp_path / "stopped.ckpt") == expected
    with pytest.raises(DataError, match="augmentation was 'FastSegmentationTransform"):
        run(scenes(street_tree), Recorder(), tmp_path / "stopped.ckpt")


def test_finished_run_goes_on_with_the_next_epoch(whole, sample_tree, tmp_path):
    run(data_module(sample_tree), Recorder(), max_epochs=2).save_checkpoint(tmp_path / "done.ckpt")
    state = torch.load(tmp_path / "done.ckpt", weights_only=True)["ImageNetDataModule"]
    assert (state["epoch"], state["batch"]) == (2, 0)
    recorder = Recorder()
    run(data_module(sample_tree), recorder, tmp_path / "done.ckpt")
    assert recorder.seen == whole[2 * BATCHES :]


@pytest.fixture(scope="module")
def stopped(sample_tree, tmp_path_factory):
    path = tmp_path_factory.mktemp("stopped") / "stopped.ckpt"
    with pytest.raises(StopError):
        run(data_module(sample_tree), Recorder(("train_batch_end", 0, 2), path))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 4}, "data.batch_size was 8 and is 4"),
        ({"eval_batch_size": 4}, "data.eval_batch_size was 8 and is 4"),
        ({"seed": 1}, r"seed_everything or data\.seed was 0 and is 1"),
        ({"val_from_train": 10}, "train_size was 60 and is 50"),
        ({"flip": False}, r"augmentation was .*flip=True.* and is .*flip=False"),
        ({"image_size": 12}, "augmentation was .*size=16.* and is .*size=12"),
    ],
)
def test_resuming_on_other_samples_is_refused(change, message, stopped, sample_tree):
    with pytest.raises(DataError, match=message):
        run(data_module(sample_tree, **change), Recorder(), stopped)


def test_resuming_on_other_files_is_refused(stopped, tmp_path, sample_tree):
    shutil.copytree(sample_tree, tmp_path / "moved")
    # A root that moved is the same data.
    run(data_module(tmp_path / "moved"), Recorder(), stopped, max_epochs=1)
    file = next((tmp_path / "moved" / "train" / "n90000003").iterdir())
    file.rename(file.with_name("another.JPEG"))
    with pytest.raises(DataError, match="training files was"):
        run(data_module(tmp_path / "moved"), Recorder(), stopped)


def test_resuming_with_other_processes_is_refused_in_mid_epoch_alone(stopped, sample_tree):
    data = data_module(sample_tree)
    state = {**torch.load(stopped, weights_only=True)["ImageNetDataModule"], "world_size": 2}
    data.load_state_dict({**state, "batch": 0, "within": False})
    with pytest.raises(DataError, match="devices x num_nodes was 2"):
        data.load_state_dict({**state, "batch": 0, "within": True})
    with pytest.raises(DataError, match=r"devices x num_nodes was 2 and is 1\. Restore these to resume"):
        data.load_state_dict(state)


def test_checkpoint_without_a_position_is_refused(stopped, sample_tree, tmp_path):
    checkpoint = torch.load(stopped, weights_only=True)
    del checkpoint["ImageNetDataModule"]
    torch.save(checkpoint, tmp_path / "bare.ckpt")
    with pytest.raises(DataError, match="holds no position of ImageNetDataModule"):
        run(data_module(sample_tree), Recorder(), tmp_path / "bare.ckpt")


def test_evaluating_a_checkpoint_asks_nothing_of_the_training_data(stopped, sample_tree):
    data = data_module(sample_tree, batch_size=4, seed=9, image_size=16)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.validate(Pointwise(), data, ckpt_path=stopped, weights_only=True, verbose=False)


def test_second_fit_with_the_same_object_starts_over(whole, stopped, sample_tree):
    data = data_module(sample_tree)
    run(data, Recorder(), stopped, max_epochs=1)
    recorder = Recorder()
    run(data, recorder, max_epochs=1)
    assert recorder.seen == whole[:BATCHES]


def test_overfitted_batches_are_the_first_of_every_epoch_after_a_resume_too(whole, sample_tree, tmp_path, caplog):
    make, limit = partial(data_module, sample_tree), {"overfit_batches": 2}
    expected = [(epoch, batch, whole[batch][2]) for epoch in range(3) for batch in range(2)]
    assert stop_and_resume(make, ("train_batch_end", 1, 0), 0, tmp_path / "stopped.ckpt", **limit) == expected
    assert "every epoch trains on the first 2 batches of epoch 0" in caplog.text
    data, recorder = make(), Recorder()
    run(data, Recorder(), max_epochs=1, **limit)
    run(data, recorder, max_epochs=1)  # another Trainer, the same object
    assert recorder.seen == whole[:BATCHES]
    caplog.clear()
    pl.Trainer(**QUIET, **limit).validate(Pointwise(), data, verbose=False)
    assert "overfit_batches: validates on the first 2 batches of the validation set" in caplog.text
    module = Pointwise()
    module.test_step = module.validation_step
    caplog.clear()
    pl.Trainer(**QUIET, **limit).test(module, data, verbose=False)  # of all images
    assert "overfit_batches" not in caplog.text


def test_a_subclass_that_lacks_something_is_told_what(tmp_path):
    class Half(ResumableDataModule):
        train_size = 3

    with pytest.raises(TypeError, match=r"abstract class Half .*file_sets.*predict_transform.*test_set.*train_set_key"):
        Half(root=str(tmp_path), batch_size=1)


def test_resuming_raises_no_warning_about_the_loader(stopped, sample_tree, recwarn):
    run(data_module(sample_tree), Recorder(), stopped, max_epochs=1)
    assert not [warning for warning in recwarn if "not resumable" in str(warning.message)]
