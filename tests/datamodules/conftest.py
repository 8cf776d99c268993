import shutil
from pathlib import Path

import pytest

from datamodules.samples import cityscapes as sample_cityscapes
from datamodules.samples.imagenet import make
from tests.datamodules.support import picture


@pytest.fixture(scope="session")
def sample_tree(tmp_path_factory):
    """The sample data with 6 + 3 images a class; not to be changed."""
    return make(tmp_path_factory.mktemp("sample") / "tree", train_per_class=6, val_per_class=3)


@pytest.fixture
def write_image():
    """Write an image of random pixels, by default 20 x 16, and return its path."""

    def write(path, size=(20, 16), mode="RGB", seed=0, **options):
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(*size, seed).convert(mode).save(path, **options)
        return path

    return write


@pytest.fixture
def tree(tmp_path, write_image):
    """A small tree that a test may change: classes n00000001 to n00000003, 4 + 2 images each."""
    root = tmp_path / "data"
    for name in ("n00000001", "n00000002", "n00000003"):
        for split, count in (("train", 4), ("val", 2)):
            for number in range(count):
                write_image(root / split / name / f"{number}.png", seed=number)
    return root


@pytest.fixture(scope="session")
def street_tree(tmp_path_factory):
    """The miniature of Cityscapes with 1 image of 64 x 128 pixels a city; not to be changed."""
    return sample_cityscapes.make(tmp_path_factory.mktemp("streets") / "tree", 1, 64, 128)


@pytest.fixture
def streets(street_tree, tmp_path):
    """A copy of it that a test may change."""
    return Path(shutil.copytree(street_tree, tmp_path / "streets"))
