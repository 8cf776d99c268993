"""A run that passes over damaged images: the same whatever its workers and resumes, and its folder lists them."""

import re
import shutil

import pytest
from PIL import Image

from studies.runs.collect import collect
from studies.runs.fairness import warnings
from tests.records.test_data_files import interrupted
from tests.support.program import NO_DASHBOARD, fit, main_here, only_run, refusal, rows_without_time


@pytest.fixture
def damaged(sample_tree, tmp_path):
    """A tree with three training images cut off."""
    tree = shutil.copytree(sample_tree, tmp_path / "tree")
    files = sorted((tree / "train").rglob("*.JPEG"))[20:50:10]
    for file in files:
        file.write_bytes(file.read_bytes()[:200])
    return tree, [str(file.relative_to(tree)) for file in files]


def test_an_interrupted_run_ends_as_a_whole_one_and_lists_what_it_skipped(
    damaged, tmp_path, monkeypatch, capsys, caplog
):
    tree, files = damaged

    def command(name, *options):
        return fit(
            tmp_path / name, tree, NO_DASHBOARD, "--trainer.max_epochs=2", "--run.checkpoint_every_n_steps=3", *options
        )

    skip = "--data.on_damaged=skip"
    assert main_here(*command("whole", skip, "--data.num_workers=0")) == 0
    assert "3 damaged images skipped so far" in caplog.text
    error = refusal(capsys, *command("other", "--data.num_workers=0"))
    assert any(file in error for file in files), "the default stops at the first one"
    interrupted(monkeypatch, *command("other", skip, "--data.num_workers=2"), step=5)
    assert main_here(*command("other", skip, "--data.num_workers=0")) == 0
    whole, other = only_run(tmp_path / "whole"), only_run(tmp_path / "other")
    assert rows_without_time(whole) == rows_without_time(other)
    assert sorted(other.read_noted(other.skipped)) == files
    assert whole.read_noted(whole.skipped) == other.read_noted(other.skipped)
    assert not list(other.path.glob(".skipped*"))
    found = [line for line in warnings(collect(tmp_path / "whole")) if "skipped" in line]
    assert re.search(r"3 damaged training images were skipped \(\S+skipped_images\.csv\)", found[0])


def test_too_many_stop_the_run(damaged, tmp_path, capsys):
    options = ["--data.on_damaged=skip", "--data.max_skipped=2", "--data.num_workers=0", NO_DASHBOARD]
    assert "3 training images are damaged" in refusal(capsys, *fit(tmp_path / "runs", damaged[0], *options))


def test_a_fast_run_lists_what_pillow_reads(sample_tree, tmp_path):
    """Of the drawn images the CMYK ones; the PNG among them has no alpha."""
    pytest.importorskip("simplejpeg")
    pytest.importorskip("pyspng")
    options = ["--data.fast=true", "--trainer.max_epochs=1", "--data.num_workers=1", NO_DASHBOARD]
    assert main_here(*fit(tmp_path / "runs", sample_tree, *options)) == 0
    run = only_run(tmp_path / "runs")
    listed = run.read_noted(run.by_pillow)
    files = [file for file in sample_tree.rglob("*.JPEG") if Image.open(file).mode == "CMYK"]
    assert sorted(listed) == sorted(str(file.relative_to(sample_tree)) for file in files)
    assert set(listed.values()) == {"JPEG of CMYK"}
    assert not list(run.path.glob(".pillow*"))
