"""A network loaded from its run folder is the one that the run's rows were measured with."""

import shutil

import pytest
import torch
from torch.nn.functional import cross_entropy

from records import RunFolder
from records.errors import UserError
from studies.checkpoints.load import find_checkpoint, load


@pytest.fixture
def zero(trained_pair) -> RunFolder:
    return RunFolder(trained_pair / "zero")


@pytest.fixture
def damaged(zero, tmp_path) -> RunFolder:
    """A copy to break."""
    return RunFolder(shutil.copytree(zero.path, tmp_path / "copy"))


def accuracy_and_loss(trained) -> tuple[float, float]:
    """In percent and nats over the validation images, without Lightning and without our metrics."""
    images, targets = map(torch.cat, zip(*trained.data.val_dataloader(), strict=True))
    images, targets = trained.data.on_after_batch_transfer((images, targets), 0)
    with torch.no_grad():
        logits = trained.module(images)
    return 100 * (logits.argmax(1) == targets).double().mean().item(), cross_entropy(logits, targets).item()


@pytest.mark.parametrize("name", ["zero", "partial"])
def test_the_loaded_network_has_the_accuracy_of_the_runs_rows(trained_pair, name):
    folder = RunFolder(trained_pair / name)
    rows = folder.read_rows()
    files = {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")}
    best = max(rows, key=lambda row: (row["val/acc1"], -row["epoch"]))
    for checkpoint, row in (("best.ckpt", best), ("epoch-001", rows[1]), ("last", rows[-1])):
        trained = load(folder, checkpoint).find_images()
        assert trained.epoch == row["epoch"]
        assert trained.step == row["step"]
        assert not trained.module.training
        assert accuracy_and_loss(trained) == pytest.approx((row["val/acc1"], row["val/loss"]), rel=1e-5)
    assert {path: path.stat().st_mtime_ns for path in folder.path.rglob("*")} == files, "nothing is written"


def test_the_images_may_have_moved(zero, sample_tree, tmp_path):
    moved = tmp_path / "moved"
    moved.symlink_to(sample_tree)
    trained = load(zero, data_root=moved, batch_size=7).find_images()
    assert trained.data.root == moved
    assert len(next(iter(trained.data.test_dataloader()))[0]) == 7
    with pytest.raises(UserError, match=r"zero: the data cannot be used.*/absent.*--data-root"):
        load(zero, data_root="/absent").find_images()


def test_the_cache_that_a_run_was_trained_with_may_be_gone(damaged, tmp_path):
    text = damaged.config.read_text()
    damaged.config.write_text(text.replace("    cache: null\n", f"    cache: {tmp_path}/gone\n"))
    assert damaged.config.read_text() != text
    assert len(next(iter(load(damaged).find_images().data.test_dataloader()))[0])


def test_what_is_missing_or_damaged_is_named_with_its_run(damaged):
    with pytest.raises(UserError, match=r"copy: its checkpoint epoch-009.ckpt is missing; .*best.ckpt, epoch-000.ckpt"):
        load(damaged, "epoch-009.ckpt")
    with pytest.raises(UserError, match=r"copy cannot be loaded: .*partail"):
        load(damaged, padding_at_test="partail")
    best = find_checkpoint(damaged, "best")
    content = bytearray(best.read_bytes())
    content[len(content) // 2] ^= 1
    best.write_bytes(content)
    with pytest.raises(UserError, match=r"copy/checkpoints/best.ckpt is damaged"):
        load(damaged)
    text = damaged.config.read_text()
    damaged.config.write_text(text.replace("network: tiny_resnet10", "network: tiny_vgg7_bn"))
    with pytest.raises(UserError, match=r"copy cannot be loaded: the checkpoint holds tiny_resnet10"):
        load(damaged, "last")
    damaged.config.write_text("model: [")
    with pytest.raises(UserError, match=r"copy cannot be loaded: "):
        load(damaged, "last")
    damaged.config.unlink()
    with pytest.raises(UserError, match=r"copy: config.yaml is missing"):
        load(damaged, "last")
