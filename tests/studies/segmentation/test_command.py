"""`main.py segmentation`: what is not tested is tested once, kept, and shown with pictures."""

import contextlib
import re
import shutil

import pytest

from records import find_runs
from records.evaluation import EvaluationRecord
from tests.support.program import ROOT, SMALL_SCENES, main_here


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def trained(sample_streets, tmp_path_factory):
    root = tmp_path_factory.mktemp("pair")
    with contextlib.chdir(ROOT):
        for padding in ("zero", "partial"):
            options = [f"--data.root={sample_streets}", f"--run.root={root}", f"--model.padding={padding}"]
            assert main_here("fit", *SMALL_SCENES, "--trainer.max_epochs=1", *options) == 0
    return root


@pytest.fixture
def runs(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "runs")


def retested(runs, capsys, *options):
    """The schemes of the runs that the command tests with these options."""
    assert main_here("segmentation", str(runs), "--test", *options) == 0
    return re.findall(r"under (\w+): mIoU", capsys.readouterr().out)


def test_one_command_tests_what_is_missing_and_draws(runs, capsys):
    assert main_here("segmentation", str(runs)) == 0
    shown = capsys.readouterr().out
    assert "Whole images and tiles (Table 6): not run" in shown
    assert f"python main.py segmentation {runs} --test" in shown
    assert main_here("segmentation", str(runs), "--test", "--pictures=1") == 0
    shown = capsys.readouterr().out
    assert "[1/2] tiny_resnet10-split0-zero-seed0 under zero: mIoU" in shown
    assert "Without the centre (Table 7)" in shown
    files = {path.name for path in (runs / "report").iterdir()}
    assert {"table5_best.csv", "table6_tiles.md", "table7_border.csv", "distance.svg", "figure6.png"} <= files
    before = {path: path.read_bytes() for path in runs.glob("*/evaluations/*")}
    for path in before:
        record = EvaluationRecord.read(path)
        assert (record.checkpoint, list(record.confusion)) == ("best.ckpt", ["regular", "tiled_0", "tiled_1-3"])

    # What is there is not repeated; another way of testing, a damaged file and a better epoch are.
    assert retested(runs, capsys) == retested(runs, capsys, "--trainer.precision=32") == []
    assert {path: path.read_bytes() for path in runs.glob("*/evaluations/*")} == before
    for options in (
        "--model.evaluation.tile_size=64",
        "--model.evaluation.overlaps=[0]",
        "--trainer.precision=64-true",
    ):
        assert retested(runs, capsys, options) == ["zero", "partial"], options
        assert retested(runs, capsys, options) == [], options
    (partial, zero) = find_runs(runs)
    for path in zero.evaluations.iterdir():
        path.write_text("{")
    assert retested(runs, capsys) == ["zero"]
    rows = partial.read_rows()
    partial.write_rows([*rows, {**rows[0], "epoch": 1, "val/miou": rows[0]["val/miou"] + 1}])
    assert retested(runs, capsys) == ["partial"]


def test_other_images_are_tested_and_the_same_elsewhere_are_not(runs, sample_streets, tmp_path, capsys):
    few = "--model.evaluation.overlaps=[0]"
    assert retested(runs, capsys, few) == ["zero", "partial"]
    moved = shutil.copytree(sample_streets, tmp_path / "moved")
    assert retested(runs, capsys, few, "--data-root", str(moved)) == []
    scene = next((moved / "leftImg8bit/val").rglob("*.png")).name.removesuffix("_leftImg8bit.png")
    for file in moved.rglob(f"{scene}_*"):
        file.unlink()
    for named in (["--data-root", str(moved)], [f"--data.root={moved}"]):
        assert retested(runs, capsys, few, *named) == (["zero", "partial"] if named[0] == "--data-root" else [])


def test_the_cross_test_is_of_whole_images(runs):
    assert main_here("cross-test", str(runs), "--schemes", "partial") == 0
    modes = [EvaluationRecord.read(path).confusion.keys() for path in runs.glob("*/evaluations/*")]
    assert modes == [{"regular"}] * 3
    assert "zero" in (runs / "report/table4_cross.csv").read_text()


def test_a_test_that_cannot_run_is_named_and_the_rest_shown(runs, capsys):
    (partial, zero) = find_runs(runs)
    partial.config.write_text("model: [")
    (zero.checkpoints / "best.ckpt").unlink()
    assert main_here("segmentation", str(runs), "--test") == 1
    shown = capsys.readouterr().out
    assert f"left out: {zero.path}: not evaluated under zero: its checkpoint best is missing" in shown
    assert f"left out: {partial.path}: not evaluated under partial: " in shown
    assert "Best epoch of each run (Table 5)" in shown


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pictures", "--network=resnet50"], "of resnet50 with zero and with partial padding; networks with both: "),
        (["--metric=val/acc1"], "no value of val/acc1"),
        (["--pictures", "--data-root=/absent"], "/absent"),
        (["--test", "--model.evaluation.tile_size=0"], "tile_size is 0"),
        (["--test", "--model.evaluation.tiles=0"], "tiles"),
    ],
)
def test_bad_input_gets_one_message_and_status_2(trained, options, message, capsys):
    assert main_here("segmentation", str(trained), *options) == 2
    error = capsys.readouterr().err
    assert message in error[error.index("error:") :]
    assert "Traceback" not in error


def test_seams_are_measured_once_and_shown(runs, capsys):
    assert main_here("segmentation", str(runs), "--seams=2", "--tile-size=33") == 0
    assert capsys.readouterr().out.count("seams of 2 images") == 2
    assert {f"seams.{end}" for end in ("csv", "md", "svg")} <= {path.name for path in (runs / "report").iterdir()}
    assert main_here("segmentation", str(runs), "--seams=2", "--tile-size=33") == 0
    assert "seams of 2 images" not in capsys.readouterr().out
    assert main_here("segmentation", str(runs), "--seams=1", "--tile-size=4000") == 1
    assert "too small for overlapping patches of 4000" in capsys.readouterr().out
