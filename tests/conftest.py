"""Hermetic surroundings: no account, no network, no file outside the test's own folders; and a small sample tree."""

import contextlib
import logging
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# Programs that tests start; looking for doctests would run them.
collect_ignore_glob = ["support/*"]

# Before any import of wandb or torch in this process; programs that tests start inherit them.
os.environ.update(WANDB_MODE="offline", WANDB_ERROR_REPORTING="false", WANDB_SILENT="true", OMP_NUM_THREADS="1")
for name in ("WANDB_API_KEY", "WANDB_RUN_ID", "WANDB_SWEEP_ID", "WANDB_PROJECT", "WANDB_NAME", "WANDB_RUN_GROUP"):
    os.environ.pop(name, None)


@pytest.fixture(autouse=True)
def _own_wandb_folders(tmp_path, monkeypatch):
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home" / name.lower()))
    monkeypatch.setenv("NETRC", str(tmp_path / "home" / "netrc"))


@pytest.fixture
def settled(monkeypatch):
    """The time of the last change of an inode cannot be set, so caches take files of this moment for settled."""
    from datamodules.loading import cache

    monkeypatch.setattr(cache, "SETTLED_NS", 0)


@pytest.fixture(scope="session")
def sample_tree(tmp_path_factory):
    """A small tree in ImageNet's layout: 10 classes, 13 training and 5 validation images each."""
    from datamodules.samples import imagenet as sample_imagenet

    root = tmp_path_factory.mktemp("sample") / "tree"
    sample_imagenet.make(root, train_per_class=13, val_per_class=5)
    return root


@pytest.fixture(scope="session")
def sample_streets(tmp_path_factory):
    """A small tree in Cityscapes' layout: 21 cities, one street each, and coarse labels."""
    from datamodules.samples import cityscapes as sample_cityscapes

    root = tmp_path_factory.mktemp("streets") / "tree"
    sample_cityscapes.make(root, images_per_city=1)
    return root


@pytest.fixture(scope="session")
def trained_pair(sample_tree, tmp_path_factory):
    """A folder with two tiny trained runs of seed 0 in `zero` and `partial`. Tests that write take a copy."""
    from records import find_runs
    from tests.support.program import fit, main_here

    root = tmp_path_factory.mktemp("pair") / "runs"
    for padding in ("zero", "partial"):
        with contextlib.chdir(ROOT):
            arguments = fit(root / padding, sample_tree, "--trainer.logger=false", f"--model.padding={padding}")
            assert main_here(*arguments) == 0
        (run,) = find_runs(root / padding)
        run.path.rename(root / "here")
        (root / padding).rmdir()
        (root / "here").rename(root / padding)
    return root


def pytest_collection_modifyitems(items):
    """The slowest first, so that two workers end together."""
    slow = ("tests/training/", "tests/sweeps/")
    items.sort(key=lambda item: not item.nodeid.startswith(slow))


@pytest.fixture(autouse=True)
def _loggers_as_they_were():
    """What a test does to Lightning's loggers must not silence the next one, whatever their order."""
    names = ("pytorch_lightning", "pytorch_lightning.utilities.rank_zero", "lightning_fabric")
    before = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


WANDB = {name for name in os.environ if name.startswith("WANDB")}


@pytest.fixture(autouse=True)
def _no_wandb_of_others():
    """What W&B in this process left for its children would make a run started here a child of it."""
    for name in [name for name in os.environ if name.startswith("WANDB") and name not in WANDB]:
        del os.environ[name]
