"""Segmentation resumes exactly, and its figures do not depend on the number of processes."""

import json

import pytest

from tests.support.program import ROOT, killed, main, main_here, only_run, start_of
from tests.training.test_resume import assert_same_end

SMALL = [
    "--config=configs/demo/segmentation.yaml",
    "--data.crop_size=48",
    "--trainer.logger=false",
    "--model.head_channels=8",
    "--model.skip_channels=4",
    "--model.padding=partial",
    "--run.checkpoint_every_n_steps=3",
]


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_killed_in_mid_epoch_it_ends_the_same_by_a_number_of_steps(tmp_path, sample_streets, caplog):
    """18 images, 4 steps an epoch; 10 steps end in the middle of the third, which is validated all the same."""

    def command(root):
        limits = ["--trainer.max_steps=10", "--trainer.max_epochs=50"]
        return ["fit", *SMALL, *limits, f"--data.root={sample_streets}", f"--run.root={root}"]

    assert main_here(*command(tmp_path / "whole")) == 0
    killed("step", 8, *command(tmp_path / "killed"), "--data.num_workers=2")
    caplog.clear()
    assert main_here(*command(tmp_path / "killed")) == 0
    assert start_of(caplog.text) == ("resume-0000000006.ckpt", 6)
    whole, resumed = only_run(tmp_path / "whole"), only_run(tmp_path / "killed")
    assert_same_end(whole, resumed)
    rows = whole.read_rows()
    assert [row["step"] for row in rows] == [4, 8, 10]
    assert all("val/miou" in row for row in rows)
    assert [row["lr"] for row in rows] == pytest.approx([0.05 * (1 - step / 10) for step in (0, 4, 8)])
    assert whole.read_record().finished


def test_two_processes_count_every_image_once(tmp_path, sample_streets):
    """Three validation images on two processes: the confusion matrices are those of one process, to the pixel."""
    root = [f"--data.root={sample_streets}", f"--run.root={tmp_path}"]
    assert main_here("fit", *SMALL, "--trainer.max_steps=2", "--trainer.max_epochs=1", *root) == 0
    run = only_run(tmp_path)
    command = ["test", f"--config={run.config}", f"--ckpt_path={run.checkpoints}/best.ckpt", "--trainer.logger=false"]
    assert main_here(*command) == 0
    (path,) = run.evaluations.glob("*.json")
    one = json.loads(path.read_text())
    path.unlink()
    main(*command, "--trainer.devices=2", "--trainer.strategy=ddp")
    (path,) = run.evaluations.glob("*.json")
    two = json.loads(path.read_text())
    assert one["images"] == two["images"] == 3
    assert one["confusion"] == two["confusion"]
