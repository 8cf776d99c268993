"""Runs and data that several tests of training share."""

import contextlib
import shutil

import pytest

from records import RunFolder
from tests.support.program import ROOT, SMALL_SCENES, main_here, only_run


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="session")
def odd_tree(sample_tree, tmp_path_factory):
    """The sample tree with 49 validation images, which two processes cannot share evenly."""
    root = shutil.copytree(sample_tree, tmp_path_factory.mktemp("odd") / "tree")
    next((root / "val").rglob("*.JPEG")).unlink()
    return root


@pytest.fixture(scope="session")
def trained_scenes(sample_streets, tmp_path_factory) -> RunFolder:
    """A segmentation run of two epochs. Tests that write take a copy."""
    root = tmp_path_factory.mktemp("scenes")
    with contextlib.chdir(ROOT):
        arguments = ["--trainer.max_epochs=2", f"--data.root={sample_streets}", f"--run.root={root}"]
        assert main_here("fit", *SMALL_SCENES, *arguments) == 0
    return only_run(root)
