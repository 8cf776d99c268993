"""cross-test, disagreements and activations on two tiny trained runs: against `validate`, and by other means."""

import re
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from lightning_modules import ClassificationModule
from padding.registry import forget_made
from records import RunFolder, find_runs
from records.checkpoint import ActivationRecord
from records.classification import ClassificationRecord, ImageList
from records.errors import UserError
from records.evaluation import read_evaluations
from studies.activations.measure import activations, default_layers, layers_with_maps, record_of
from studies.checkpoints.load import load
from studies.disagreements.table import compare
from studies.runs.collect import collect
from tests.support.program import ROOT, main_here


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch):
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def runs(trained_pair, tmp_path_factory):
    """A copy of the two runs, cross-tested."""
    root = shutil.copytree(trained_pair, tmp_path_factory.mktemp("network_studies") / "runs")
    assert main_here("cross-test", str(root)) == 0
    return root


@pytest.fixture
def copy(runs, tmp_path):
    """To break."""
    return shutil.copytree(runs, tmp_path / "copy")


def records_of(folder, kind) -> list:
    return [record for record in read_evaluations(folder)[0].values() if isinstance(record, kind)]


def test_the_cross_test_gives_what_validate_gives(runs, rows_of, capsys):
    table = {(row["Training"], row["Inference"]): float(row["1"]) for row in rows_of(runs / "report/table4_cross.csv")}
    assert len(table) == 4
    for padding in ("zero", "partial"):
        for scheme in ("zero", "partial"):
            run = runs / padding
            arguments = ["validate", f"--config={run}/config.yaml", f"--ckpt_path={run}/checkpoints/best.ckpt"]
            assert main_here(*arguments, "--trainer.logger=false", f"--model.padding_at_test={scheme}") == 0
            output = capsys.readouterr().out
            accuracy, loss = (float(re.search(rf"val/{name}\W+([\d.]+)", output)[1]) for name in ("acc1", "loss"))
            assert table[f"tiny_resnet10_{padding}", f"tiny_resnet10_{scheme}"] == pytest.approx(accuracy, rel=1e-6)
            records = records_of(RunFolder(run), ClassificationRecord)
            # Accuracies of so short a training may be equal under both schemes; losses are not.
            (found,) = [record.loss for record in records if record.padding_at_test == scheme]
            assert found == pytest.approx(loss, rel=1e-5)


def test_a_record_holds_the_class_of_each_image_in_order(runs, sample_tree):
    folder = RunFolder(runs / "zero")
    for record in records_of(folder, ClassificationRecord):
        images = ImageList.read(folder.evaluations / record.image_list)
        found = sorted(str(path.relative_to(sample_tree / "val")) for path in (sample_tree / "val").rglob("*.*"))
        assert images.files == found
        folders = sorted({file.split("/")[0] for file in found})
        assert [folders[target] for target in images.targets] == [file.split("/")[0] for file in found]
        assert record.image_folder == str((sample_tree / "val").resolve())
        trained = load(folder, padding_at_test=record.padding_at_test).find_images()
        pixels, _ = trained.data.on_after_batch_transfer(next(iter(trained.data.test_dataloader())), 0)
        with torch.no_grad():
            predicted = trained.module(pixels).argmax(1)
        assert record.predicted[: len(predicted)].tolist() == predicted.tolist()
        assert record.acc1 == pytest.approx(100 * np.mean(record.predicted == images.targets))


def test_what_is_there_is_not_computed_again_and_a_broken_run_is_named(copy, capsys):
    files = {path: path.stat().st_mtime_ns for path in copy.rglob("evaluations/*")}
    (copy / "partial/checkpoints/best.ckpt").unlink()
    assert main_here("cross-test", str(copy)) == 1
    output = capsys.readouterr().out
    assert "[1/4]" not in output, "a result that is kept needs no line"
    assert "its checkpoint best is missing" in output
    assert {path: path.stat().st_mtime_ns for path in copy.rglob("evaluations/*")} == files
    # Other weights under the same name are evaluated anew.
    shutil.copy(copy / "zero/checkpoints/epoch-001.ckpt", copy / "zero/checkpoints/best.ckpt")
    assert main_here("cross-test", str(copy), "--schemes", "zero") == 1
    assert "[1/3] tiny_resnet10-zero-seed0 under zero: " in capsys.readouterr().out


def test_a_scheme_of_a_file_that_was_changed_is_evaluated_anew(copy, tmp_path, capsys):
    file, evaluated = tmp_path / "mine.py", []
    for value in (1, 1, 2):
        text = f"def ones(near, amount, measured):\n    return near * 0 + {value}\n"
        if not file.exists() or file.read_text() != text:
            file.write_text(text)
        forget_made(".py:")
        assert main_here("cross-test", str(copy), "--schemes", f"{file}:ones") == 0
        evaluated.append("[2/4]" in capsys.readouterr().out)
    assert evaluated == [True, False, True]


@pytest.fixture(params=["foreign class", "other shapes"])
def refused(request, copy):
    """A copy in which torch, or the network, refuses the checkpoint of the first run; nothing is evaluated yet."""
    for path in copy.rglob("evaluations/best-*.json"):
        path.unlink()
    path = copy / "zero/checkpoints/best.ckpt"
    other = torch.load(path, weights_only=True) | {"state_dict": {"network.conv1.weight": torch.zeros(1)}}
    torch.save({"a": RunFolder(copy)} if request.param == "foreign class" else other, path)
    return copy


def test_a_checkpoint_that_torch_refuses_is_named_and_the_others_go_on(refused, capsys):
    named = r"left out: \S*/zero: .*best\.ckpt (cannot be loaded: torch refuses|does not fit config\.yaml)"
    for command, kept in (("cross-test", "best-*.json"), ("activations", "activations-*.json")):
        assert main_here(command, str(refused)) == 1, command
        output = "".join(capsys.readouterr())
        assert re.search(named, output)
        assert "Traceback" not in output
        assert max(map(len, output.splitlines())) < 700
        assert list((refused / "partial/evaluations").glob(kept))
        assert not list((refused / "zero/evaluations").glob(kept))
    assert main_here("disagreements", str(refused)) == 2, "without a run with zero padding there is nothing to show"
    output = "".join(capsys.readouterr())
    assert re.search(named.removeprefix("left out: "), output)
    assert "Traceback" not in output


def test_after_ctrl_c_results_are_kept_and_the_same_command_continues(copy, monkeypatch, capsys):
    for path in copy.rglob("evaluations/best-*.json"):
        path.unlink()
    step, calls = ClassificationModule.test_step, []

    def interrupted(self, batch):
        calls.append(self.scheme)
        if len(set(calls)) == 2:
            sys.exit(130)  # as `processes.signals.leave` does
        return step(self, batch)

    monkeypatch.setattr(ClassificationModule, "test_step", interrupted)
    with pytest.raises(SystemExit):
        main_here("cross-test", str(copy))
    capsys.readouterr()
    assert len(list(copy.rglob("evaluations/best-*.json"))) == 1
    monkeypatch.setattr(ClassificationModule, "test_step", step)
    assert main_here("cross-test", str(copy)) == 0
    output = capsys.readouterr().out
    assert [f"[{number}/4]" in output for number in (1, 2, 3, 4)] == [False, True, True, True]


def test_disagreements_come_from_the_records_and_need_no_evaluation(runs, rows_of, capsys):
    assert main_here("disagreements", str(runs)) == 0
    assert "[1/2]" not in capsys.readouterr().out
    (found, _) = compare(collect(runs))
    assert len(rows_of(runs / "report/figure4.csv")) == sum(len(each.images) for each in found) > 0


def test_activations_are_the_sums_that_the_layers_give(runs, sample_tree):
    """Against the network cut in two: its stem and first stage called one by one, and no hook."""
    trained = load(RunFolder(runs / "partial")).find_images()
    image = next((sample_tree / "val").rglob("*.*"))
    record = record_of(trained, [(image, "one")], ["layer1.0.act2", "conv1"])
    pixels = trained.data.test_dataloader().dataset.transform(Image.open(image).convert("RGB"))
    batch, _ = trained.data.on_after_batch_transfer((pixels[None], []), 0)
    network = trained.module.network
    with torch.no_grad():
        stem = network.conv1(batch)
        stage = network.layer1(network.maxpool(network.act1(network.bn1(stem))))
    assert torch.tensor(record.maps["conv1"][0]).allclose(stem[0].sum(0), rtol=1e-4, atol=1e-5)
    assert torch.tensor(record.maps["layer1.0.act2"][0]).allclose(stage[0].sum(0), rtol=1e-4, atol=1e-5)
    with pytest.raises(UserError, match=r"no module layer9"):
        record_of(trained, [(image, "one")], ["layer9"])
    with pytest.raises(UserError, match=r"layer fc .* no maps"):
        record_of(trained, [(image, "one")], ["fc"])
    assert "fc" in activations(trained, pixels, ["fc"])
    available = layers_with_maps(trained, image)
    assert "fc" not in available
    assert default_layers(available) == ["layer1.0.act2", "layer2.0.act2"], "of maps of 12 and 6; 3 is mostly border"


def test_the_activations_command_keeps_what_the_report_shows(runs, sample_tree, rows_of, capsys):
    images = [str(path) for path in sorted((sample_tree / "val").rglob("*.*"))[:2]]
    assert main_here("activations", str(runs), "--layers", "layer2.0.act2", "--images", *images) == 0
    rows = rows_of(runs / "report/figure5.csv")
    assert [(row["padding"], row["file"]) for row in rows] == [
        (padding, image) for padding in ("zero", "partial") for image in images
    ]
    (record,) = records_of(RunFolder(runs / "zero"), ActivationRecord)
    values = record.maps["layer2.0.act2"][0]
    ring = np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]]).mean()
    assert float(rows[0]["border / interior"]) == pytest.approx(ring / values[1:-1, 1:-1].mean(), rel=1e-5)
    assert main_here("activations", str(runs), "--list") == 0
    assert re.search(r"\* layer2\.0\.act2 +ReLU +32 x 6 x 6", capsys.readouterr().out)
    shutil.rmtree(runs / "report")
    assert main_here("report", str(runs)) == 0
    page = (runs / "report/report.html").read_text()
    assert all(title in page for title in ("(Table 4)", "(Figure 4)", "(Figure 5)"))


def test_with_a_margin_real_context_is_tested_beside_padding_on_the_same_pixels(copy, rows_of, capsys):
    for run in find_runs(copy):
        run.config.write_text(run.config.read_text().replace("eval_resize: 28", "eval_resize: null"))
    options = ["cross-test", str(copy), "--schemes", "zero", "--margin", "16", "--size", "16"]
    assert main_here(*options) == 0
    assert capsys.readouterr().out.count("under valid: ") == 2
    table = {(row["Training"], row["Inference"]): row for row in rows_of(copy / "report/table4_cross_margin16.csv")}
    assert {inference.rpartition("_")[2] for _, inference in table} == {"zero", "partial", "valid"}
    # Without context, images of 16 pixels are what they are without a margin.
    run = copy / "zero"
    arguments = ["test", f"--config={run}/config.yaml", f"--ckpt_path={run}/checkpoints/best.ckpt"]
    assert main_here(*arguments, "--data.image_size=16") == 0
    shown = float(re.search(r"test/acc1\W+([\d.]+)", capsys.readouterr().out)[1])
    assert float(next(row["1"] for (_, to), row in table.items() if to.endswith("zero"))) == pytest.approx(shown)
    assert main_here(*options) == 0
    assert "under valid: " not in capsys.readouterr().out
