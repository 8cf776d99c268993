"""`validate` with whole images on a canvas: what it prints, and that it counts each image once."""

import io
import re
import shutil

import pytest
from rich.console import Console

from lightning_modules.padded_comparison import Compared, Pair
from records import RunFolder
from tests.support.program import ROOT, main, main_here
from training.compared import show

WAYS = ("cropped", "masked", "not masked")
NAMES = ("acc1", "acc5", "loss")


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def odd_tree(sample_tree, tmp_path_factory):
    """The sample tree with 49 validation images, which two processes cannot share evenly."""
    root = shutil.copytree(sample_tree, tmp_path_factory.mktemp("odd") / "tree")
    next((root / "val").rglob("*.JPEG")).unlink()
    return root


def validate(runs, tree, *options):
    run = RunFolder(runs / "partial")
    checkpoint = f"--ckpt_path={run.checkpoints}/best.ckpt"
    return ["validate", f"--config={run.config}", "--trainer.logger=false", checkpoint, f"--data.root={tree}", *options]


def printed(output):
    """The rows of both tables: name to cells."""
    rows = [re.split(r"\s{2,}", line.strip()) for line in output.splitlines()]
    return {row[0]: row[1:] for row in rows if re.fullmatch(r"[a-z −]+", row[0]) and len(row) > 1}


def test_it_prints_and_logs_every_way_and_the_paired_differences(trained_pair, odd_tree, capsys):
    assert main_here(*validate(trained_pair, odd_tree)) == 0
    plain = capsys.readouterr().out
    assert "val_padded" not in plain
    assert printed(plain) == {}
    assert main_here(*validate(trained_pair, odd_tree, "--data.eval_padded=true")) == 0
    output = capsys.readouterr().out
    logged = {name: float(value) for name, value in re.findall(r"(val\w*/\w+)\W+([\d.]+)", output)}
    assert logged.keys() == {f"{way}/{n}" for way in ("val", "val_padded", "val_unmasked") for n in NAMES}
    cropped = re.findall(r"(val/\w+)\W+([\d.]+)", plain)
    assert all(float(value) == logged[name] for name, value in cropped)
    rows = printed(output)
    for way, stage in zip(WAYS, ("val", "val_padded", "val_unmasked"), strict=True):
        assert [float(cell) for cell in rows[way]] == pytest.approx([logged[f"{stage}/{n}"] for n in NAMES], abs=6e-4)
        # Of 49 images.
        assert logged[f"{stage}/acc1"] * 49 / 100 == pytest.approx(round(logged[f"{stage}/acc1"] * 49 / 100), abs=1e-4)
    difference, _, first, second, _ = rows["masked − cropped"]
    assert float(difference) == pytest.approx(logged["val_padded/acc1"] - logged["val/acc1"], abs=6e-3)
    assert 49 * float(difference) / 100 == pytest.approx(int(first) - int(second), abs=6e-3)


def test_two_processes_count_as_one(trained_pair, odd_tree, capsys):
    options = ["--data.eval_padded=true", "--data.eval_batch_size=10"]
    assert main_here(*validate(trained_pair, odd_tree, *options)) == 0
    one = printed(capsys.readouterr().out)
    processes = ["--trainer.devices=2", "--trainer.strategy=ddp"]
    two = printed(main(*validate(trained_pair, odd_tree, *options, *processes)).stdout)
    for row in ("cropped", "masked", "masked − cropped"):
        assert one[row] == two[row], "what stands beside an image on its canvas changes nothing"


def test_one_by_one_gives_the_same_figures(trained_pair, odd_tree, capsys):
    rows = []
    for rule in ("fixed", "singly"):
        assert main_here(*validate(trained_pair, odd_tree, "--data.eval_padded=true", f"--model.mask_rule={rule}")) == 0
        rows.append(printed(capsys.readouterr().out))
    assert rows[0] == rows[1]
    assert set(WAYS) < rows[0].keys()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.mask_rule=shrink"], "mask_rule"),
        (["--model.compile=true"], "--model.mask_rule=singly"),
        (["--model.mask_rule=grow", "--model.padding_at_test=zero"], "--model.mask_rule=singly"),
        (["--data.padded_side=20"], "padded_side"),
    ],
)
def test_bad_input_gets_one_message_and_status_2(trained_pair, odd_tree, options, message, capsys):
    assert main_here(*validate(trained_pair, odd_tree, "--data.eval_padded=true", *options)) == 2
    error = capsys.readouterr().err
    assert message in error[error.index("error:") :]
    assert "Traceback" not in error


def test_predict_takes_images_whole(trained_pair, odd_tree, tmp_path):
    arguments = validate(trained_pair, odd_tree, f"--data.predict_folder={odd_tree}/val")
    lines = {}
    for name, options in (("crop", []), ("whole", ["--data.eval_padded=true"])):
        output = tmp_path / f"{name}.csv"
        assert main_here("predict", *arguments[1:], f"--prediction.output={output}", *options) == 0
        lines[name] = output.read_text().splitlines()
    assert [line.partition(",")[0] for line in lines["crop"]] == [line.partition(",")[0] for line in lines["whole"]]
    assert len(lines["whole"]) == 50
    assert lines["crop"] != lines["whole"]


def test_scenes_have_no_top_1():
    pairs = [Pair("padded", "alone", 51, 3, 1, 1000, 25), Pair("unmasked", "alone", 51, 9, 42, 1000, 300)]
    figures = {way: {"loss": 1.5, "miou": 20.25} for way in ("alone", "padded", "unmasked")}
    text = io.StringIO()
    show(Compared("alone", figures, pairs), Console(file=text))
    rows = printed(text.getvalue())
    assert rows["alone"] == ["20.250", "1.500"]
    # Two-sided binomial of 3 of 4: 10 of 16.
    assert rows["masked − alone"] == ["3", "1", "0.625", "25 of 1,000"]
    assert rows["not masked − alone"] == ["9", "42", "<0.001", "300 of 1,000"]
    show(None, Console(file=io.StringIO()))
