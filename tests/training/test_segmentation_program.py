"""Segmentation as a user meets it: train, resume, test with its tables, predict pictures."""

import json
import re
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from datamodules.cityscapes.labels import CLASS_COLOURS, LABEL_IDS
from evaluation import class_iou, mean_iou
from records import RunFolder
from records.evaluation import EvaluationRecord, read_evaluations
from records.validation import ValidationRecord
from tests.support.program import NO_DASHBOARD, main, main_here, refusal
from training.evaluation_record import tables

VIEWS = ("alone", "padded, fixed", "padded, none")


@pytest.fixture(scope="module")
def trained(trained_scenes, tmp_path_factory) -> RunFolder:
    return RunFolder(shutil.copytree(trained_scenes.path, tmp_path_factory.mktemp("trained") / "run"))


@pytest.fixture(scope="module")
def tested(trained) -> EvaluationRecord:
    """The record of `test` with the settings of the run."""
    assert main_here(*of_run("test", trained)) == 0
    return the_evaluation(trained)


def of_run(command: str, trained: RunFolder, *options: str) -> list[str]:
    best = f"--ckpt_path={trained.checkpoints}/best.ckpt"
    return [command, f"--config={trained.config}", NO_DASHBOARD, best, *options]


def the_evaluation(trained: RunFolder) -> EvaluationRecord:
    """The newest file that a test left."""
    return EvaluationRecord.read(max(trained.evaluations.glob("*.json"), key=lambda path: path.stat().st_mtime_ns))


def test_a_run_folder_holds_what_a_study_needs(trained):
    record, rows = trained.read_record(), trained.read_rows()
    assert record.finished
    assert (record.network, record.variant, record.monitor) == ("tiny_resnet10", "split0", "val/miou")
    assert record.group == "tiny_resnet10-split0-zero"
    assert [row["epoch"] for row in rows] == [0, 1]
    assert {"train/loss", "val/loss", "val/miou", "val/iou/road", "val/iou/traffic_sign", "lr"} <= rows[0].keys()
    # The rate falls within the epoch, and the second one begins at half of it.
    assert [row["lr"] for row in rows] == pytest.approx([0.05, 0.025])
    classes = [value for name, value in rows[-1].items() if name.startswith("val/iou/")]
    assert rows[-1]["val/miou"] == pytest.approx(sum(classes) / len(classes), rel=1e-5)


def test_test_prints_the_tables_and_keeps_what_they_follow_from(trained, capsys):
    assert main_here(*of_run("test", trained)) == 0
    output = capsys.readouterr().out
    record = the_evaluation(trained)
    assert (record.padding, record.padding_at_test, record.images) == ("zero", "zero", 3)
    assert record.leave_out == ["0", "1/3", "1/2", "2/3", "3/4", "7/8"]
    assert list(record.confusion) == ["regular", "tiled_0", "tiled_1-3"]
    best = max(trained.read_rows(), key=lambda row: row["val/miou"])
    assert record.epoch == best["epoch"]

    grouped = {mode: torch.tensor(counts) for mode, counts in record.confusion.items()}
    whole = grouped["regular"].sum((0, 1))
    # The same images, whole, by the same checkpoint: the row of its epoch, the metric and the table agree.
    assert 100 * mean_iou(whole) == pytest.approx(best["val/miou"], rel=1e-5)
    assert f"{100 * mean_iou(whole):.3f}" in output
    assert float(re.search(r"test/miou\W+([\d.]+)", output)[1]) == pytest.approx(best["val/miou"], rel=1e-5)
    # Table 7's first column is Table 6's, and the last keeps the least: every pixel outside the centre of 7/8.
    height, width = 128, 256
    assert all(counts.sum() <= 3 * height * width for counts in grouped.values())
    assert "7/8" in output
    for mode, counts in grouped.items():
        assert torch.equal(counts.sum(), whole.sum()), mode
    assert f"{100 * class_iou(whole)[0]:.3f}" in output
    assert {"commit", "versions", "command"} <= record.provenance.keys()


def test_a_test_replaces_its_own_results_and_no_others(trained, tested):
    before = {path: path.read_bytes() for path in trained.evaluations.iterdir()}
    options = ["--model.evaluation.border_scope=tile", "--model.evaluation.overlaps=[0]"]
    assert main_here(*of_run("test", trained, *options, "--model.padding_at_test=partial")) == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    record = the_evaluation(trained)
    assert (record.padding_at_test, record.border_scope) == ("partial", "tile")
    border = next(table for table in tables(record) if "Table 7" in table.title)
    assert "each tile" in border.title
    assert border.row_count == 1, "only tiles that do not overlap have a centre of their own"
    assert list(record.confusion) == ["regular", "tiled_0"]
    count = len(list(trained.evaluations.iterdir()))
    assert main_here(*of_run("test", trained)) == 0
    assert len(list(trained.evaluations.iterdir())) == count
    # Other scenes are another test, too: split 2 validates on other cities.
    with pytest.warns(UserWarning, match="trained on split 0, and this is split 2: it may have seen"):
        assert main_here(*of_run("test", trained, "--data.split=2")) == 0
    assert len(list(trained.evaluations.iterdir())) == count + 1
    assert the_evaluation(trained).data["split"] == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.evaluation.overlaps=[1.5]"], "overlaps"),
        (["--model.evaluation.tile_size=100", "--model.evaluation.border_scope=tile"], "tile"),
        (["--model.padding=partial"], "--model.padding_at_test=partial"),
        (["--data.root=/absent/streets"], "/absent/streets"),
        (["--model.encoder=resnet5000"], "resnet5000"),
        (["--model.evaluation.average=median"], "median"),
        (["--model.evaluation.leave_out=[]"], "leave_out"),
        (["--model.output_stride=16"], "--model.output_stride"),
        (["--trainer.limit_test_batches=0"], "limit_test_batches"),
        (["--ckpt_path=/absent/best.ckpt"], "/absent/best.ckpt is no file"),
        (["--ckpt_path=null"], "test needs weights"),
    ],
)
def test_bad_input_gets_one_message_and_status_2(trained, options, message, capsys):
    assert message in refusal(capsys, *of_run("test", trained, *options))


def test_validate_of_padded_scenes_agrees_with_each_alone(trained, sample_streets, tmp_path):
    tree = shutil.copytree(sample_streets, tmp_path / "mixed")
    for kind in ("leftImg8bit", "gtFine"):
        for path in (tree / kind / "val").rglob("lindau*[td].png" if kind == "leftImg8bit" else "lindau*labelIds.png"):
            Image.open(path).crop((0, 0, 200, 70)).save(path)
    run = RunFolder(shutil.copytree(trained.path, tmp_path / "run"))
    for options in ([], ["--data.eval_padded=true"], ["--data.eval_padded=true", "--model.mask_rule=none"]):
        assert main_here(*of_run("validate", run, f"--data.root={tree}", *options)) == 0
    found = {path: each for path, each in read_evaluations(run)[0].items() if isinstance(each, ValidationRecord)}
    alone, masked, unmasked = ({record.view: record for record in found.values()}[view] for view in VIEWS)
    assert masked.metrics["miou"] == pytest.approx(alone.metrics["miou"], rel=1e-3)
    assert (
        abs(masked.metrics["loss"] - alone.metrics["loss"]) < abs(unmasked.metrics["loss"] - alone.metrics["loss"]) / 10
    )
    assert masked.predictions.tolist() == alone.predictions.tolist()
    assert abs(masked.right - alone.right).sum() < alone.predictions.sum() / 10_000
    assert alone.predictions.sum() < 2 * 128 * 256 + 70 * 200


@pytest.fixture
def photographs(tmp_path, sample_streets):
    """Two images of different sizes and folders, one of them no PNG."""
    sources = sorted((sample_streets / "leftImg8bit/val").rglob("*.png"))
    (tmp_path / "in/deep").mkdir(parents=True)
    Image.open(sources[0]).save(tmp_path / "in/a.png")
    Image.open(sources[1]).resize((200, 120)).save(tmp_path / "in/deep/b.jpg")
    return tmp_path / "in"


def test_predict_draws_the_classes_over_each_image(trained, photographs, tmp_path, capsys):
    output = tmp_path / "out"
    options = [f"--data.predict_folder={photographs}", f"--prediction.output={output}"]
    options += ["--prediction.opacity=1", "--prediction.label_ids=true"]
    assert main_here(*of_run("predict", trained, *options)) == 0, capsys.readouterr().err
    names = sorted(path.relative_to(output).as_posix() for path in output.rglob("*.png"))
    assert names == ["a.png", "a_labelIds.png", "deep/b.png", "deep/b_labelIds.png", "legend.png"]
    for name, size in (("a", (256, 128)), ("deep/b", (200, 120))):
        picture = np.asarray(Image.open(output / f"{name}.png"))
        ids = np.asarray(Image.open(output / f"{name}_labelIds.png"))
        assert ids.shape == size[::-1]
        classes = np.full(256, 255)
        classes[list(LABEL_IDS)] = np.arange(19)
        assert np.array_equal(picture, np.asarray(CLASS_COLOURS, dtype=np.uint8)[classes[ids]])
    assert not list(tmp_path.glob(".*.partial"))
    before = {path: path.read_bytes() for path in output.rglob("*.png")}
    assert "exists" in refusal(capsys, *of_run("predict", trained, *options))
    assert {path: path.read_bytes() for path in output.rglob("*.png")} == before


def test_one_bad_image_leaves_nothing_behind_and_one_message(trained, photographs, tmp_path, capsys):
    (photographs / "z.jpg").write_bytes(Image.new("RGB", (64, 48)).tobytes()[:300])
    options = [f"--data.predict_folder={photographs}", f"--prediction.output={tmp_path}/out"]
    for workers in (0, 1):
        message = refusal(capsys, *of_run("predict", trained, *options, f"--data.num_workers={workers}"))
        assert "z.jpg" in message
        assert len(message.splitlines()) == 1, message
        assert sorted(path.name for path in tmp_path.iterdir() if path.name != "home") == ["in"]


def test_names_never_collide(trained, photographs, tmp_path):
    for name in ("a.jpg", "a_labelIds.png"):
        Image.open(photographs / "a.png").convert("RGB").save(photographs / name)
    options = [f"--data.predict_folder={photographs}", f"--prediction.output={tmp_path}/out"]
    assert main_here(*of_run("predict", trained, *options, "--prediction.label_ids=true")) == 0
    modes = [Image.open(path).mode for path in sorted((tmp_path / "out").rglob("*.png")) if path.name != "legend.png"]
    assert (modes.count("RGB"), modes.count("L")) == (4, 4)


def test_the_shaded_centres_are_those_that_the_scope_counts(trained, photographs, tmp_path):
    options = [f"--data.predict_folder={photographs}/deep", "--prediction.leave_out=1/2", "--prediction.opacity=0"]
    options += ["--model.evaluation.predict_overlap=0", "--model.evaluation.tile_size=40"]
    pictures = {}
    for scope in ("image", "tile"):
        output = tmp_path / scope
        command = [*options, f"--model.evaluation.border_scope={scope}", f"--prediction.output={output}"]
        assert main_here(*of_run("predict", trained, *command)) == 0
        pictures[scope] = np.asarray(Image.open(output / "b.png")).astype(int)
    original = np.asarray(Image.open(photographs / "deep/b.jpg")).astype(int)
    shaded = {scope: (picture != original).any(-1) for scope, picture in pictures.items()}
    image, tile = np.zeros((120, 200), bool), np.zeros((120, 200), bool)
    image[30:90, 50:150] = True
    for top in range(0, 120, 40):
        for left in range(0, 200, 40):
            tile[top + 10 : top + 30, left + 10 : left + 30] = True
    assert not (shaded["image"] & ~image).any()
    assert not (shaded["tile"] & ~tile).any()
    assert shaded["image"][image].mean() > 0.95
    assert shaded["tile"][tile].mean() > 0.95


def test_the_benchmarks_own_program_agrees_on_predictions_of_the_sample(trained, tested, sample_streets, tmp_path):
    """cityscapesScripts on the files that predict writes, against what test counted."""
    from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official  # noqa: N813

    images = sample_streets / "leftImg8bit/val"
    options = [f"--data.predict_folder={images}", f"--prediction.output={tmp_path}/out", "--prediction.label_ids=true"]
    assert main_here(*of_run("predict", trained, *options)) == 0
    predictions = sorted((tmp_path / "out").rglob("*_labelIds.png"))
    truths = sorted((sample_streets / "gtFine/val").rglob("*_labelIds.png"))
    assert len(predictions) == len(truths) == 3
    official.args.evalInstLevelScore, official.args.quiet, official.args.JSONOutput = False, True, False
    found = official.evaluateImgLists(
        [str(path) for path in predictions], [str(path) for path in truths], official.args
    )
    whole = torch.tensor(tested.confusion["regular"]).sum((0, 1))
    assert mean_iou(whole) == pytest.approx(found["averageScoreClasses"], abs=1e-12)


def test_seams_and_the_left_out_centre_are_drawn_on_request(trained, photographs, tmp_path, capsys):
    folder = f"--data.predict_folder={photographs}"
    tiled = [folder, "--model.evaluation.predict_overlap=0", "--model.evaluation.tile_size=64"]
    drawn = ["--prediction.tiles=true", "--prediction.leave_out=1/2"]
    assert main_here(*of_run("predict", trained, *tiled, f"--prediction.output={tmp_path}/plain")) == 0
    assert main_here(*of_run("predict", trained, *tiled, *drawn, f"--prediction.output={tmp_path}/drawn")) == 0
    plain, marked = (np.asarray(Image.open(tmp_path / name / "a.png")) for name in ("plain", "drawn"))
    changed = (plain != marked).any(-1)
    assert changed[32:96, 64:192].mean() > 0.9, "the centre is shaded"
    assert changed[:30, 62:66].any(), "a seam at column 64"
    assert not changed[:30, 10:50].any(), "nothing is drawn within a tile at the border"
    options = [folder, "--prediction.tiles=true", "--prediction.output=/x"]
    assert "predict_overlap" in refusal(capsys, *of_run("predict", trained, *options))
    assert main_here(*of_run("predict", trained, folder, "--prediction.leave_out=2")) == 2


def test_two_processes_count_every_image_once(trained, tested, tmp_path):
    """Three validation images on two processes: the confusion matrices are those of one process, to the pixel."""
    run = RunFolder(shutil.copytree(trained.path, tmp_path / "run", ignore=shutil.ignore_patterns("evaluations")))
    main(*of_run("test", run, "--trainer.devices=2", "--trainer.strategy=ddp"))
    (path,) = run.evaluations.glob("*.json")
    two = json.loads(path.read_text())
    assert tested.images == two["images"] == 3
    assert tested.confusion == two["confusion"]


def test_how_it_is_to_be_tested_does_not_make_another_run(trained_scenes, caplog):
    options = ["--model.evaluation.overlaps=[0]", "--model.evaluation.leave_out=[1/2]", NO_DASHBOARD]
    options += ["--data.eval_padded=true", "--data.padded_batch_size=2", "--model.mask_rule=singly"]
    assert main_here("fit", f"--config={trained_scenes.config}", *options) == 0
    assert "already finished" in caplog.text
