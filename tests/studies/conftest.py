"""Run folders made up for the studies' tests, written with the same code as real ones."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml

from records import RunFolder, RunRecord
from records.classification import ClassificationRecord, ImageList
from records.evaluation import EvaluationRecord
from studies.runs.collect import collect
from tests.support.segmentation_counts import EDGES, LEAVE_OUT, MODES, counts_of


@pytest.fixture
def make_run(tmp_path):
    """Writes a run folder below `tmp_path / "runs"` and returns it; `values` are those of `monitor` by epoch."""

    def make(network="resnet18", padding="zero", seed=0, values=(10.0, 20.0), config=None, folder=None, **fields):
        name = f"{network}-{padding}-seed{seed}"
        run = RunFolder(tmp_path / "runs" / (folder or name))
        fields = {"max_epochs": len(values), "monitor": "val/acc1", "finished": True, **fields}
        record = RunRecord(name, name, f"{network}-{padding}", network, padding, seed, **fields)
        run.write_record(record)
        rows = enumerate(values)
        run.write_rows([{"epoch": epoch, "step": epoch + 1, record.monitor: value} for epoch, value in rows])
        settings = {"network": network, "padding": padding, "lr": 0.1}
        base = {"seed_everything": seed, "model": {"init_args": settings}, "run": {"root": str(run.path)}}
        run.config.write_text(yaml.safe_dump({**base, **(config or {})}))
        return run

    return make


@pytest.fixture
def identity_of():
    """The fields that every record of a run's checkpoint begins with, but `data`."""

    def fields(run, scheme=None, checkpoint="best.ckpt", epoch=1, step=2):
        record = run.read_record()
        which = {"checkpoint": checkpoint, "epoch": epoch, "step": step, "network": record.network}
        return which | {"padding": record.padding, "padding_at_test": scheme or record.padding, "precision": "32-true"}

    return fields


@pytest.fixture
def make_tested(make_run, identity_of):
    """A run, best in its second epoch, and a test of it; `changes` are of the record, "of_run" of the run."""

    def make(padding="zero", seed=0, name="best", of_run=(), **changes):
        fields = {"network": "net", "variant": "split0", "monitor": "val/miou", **dict(of_run)}
        folder = f"{fields['network']}-{fields['variant']}-{padding}-{seed}"
        run = make_run(padding=padding, seed=seed, values=(10.0, 30.0, 20.0), folder=folder, **fields)
        settings = {
            **identity_of(run),
            "network": f"deeplabv3plus-{fields['network']}",
            "dilation": "",
            "data": {"split": int(fields["variant"][-1]), "images": 2, "files": "ab"},
            "images": 2,
            "class_names": ["road", "sky", "car"],
            "leave_out": LEAVE_OUT,
            "border_scope": "image",
            "distance_edges": EDGES,
            "tile_size": None,
            "average": "logits",
            "confusion": {mode: counts_of(padding, seed, mode).tolist() for mode in MODES},
            **changes,
        }
        EvaluationRecord(**settings).write(run.evaluations / f"{name}.json")
        return run

    return make


@pytest.fixture
def collection(tmp_path):
    """The collection of segmentation runs."""
    return lambda: collect(tmp_path / "runs", "val/miou")


@pytest.fixture
def keep_evaluation(tmp_path, identity_of):
    """Writes into a run what its checkpoint predicted for six images of three classes, two of each class.

    The predictions are given as a list of six classes.
    """

    def keep(run, predicted, scheme=None, checkpoint="best.ckpt", digest="d", folder=None):
        epochs, targets = run.read_record().max_epochs, [0, 0, 1, 1, 2, 2]
        files = [f"{'abc'[target]}/{number}.png" for number, target in enumerate(targets)]
        ImageList(files, targets, ["ape", "bee", "cat"]).write(run.evaluations / f"images-{digest}.json.gz")
        right = sum(one == other for one, other in zip(predicted, targets, strict=True))
        evaluation = ClassificationRecord(
            **identity_of(run, scheme, checkpoint, epochs - 1, epochs),
            data={"images": 6, "files": digest},
            images=6,
            acc1=100 * right / 6,
            acc5=None,
            loss=1.0,
            image_folder=str(folder or tmp_path / "gone"),
            image_list=f"images-{digest}.json.gz",
            predicted=np.array(predicted),
        )
        evaluation.write(run.evaluations / evaluation.file_name)
        return run.evaluations / evaluation.file_name

    return keep


@pytest.fixture
def rows_of(tmp_path):
    """Reads a CSV file, by its path or by its name below `tmp_path`: a dict a row."""
    return lambda name: list(csv.DictReader((tmp_path / name).read_text().splitlines()))


@pytest.fixture
def page_of(tmp_path):
    """A section as HTML."""

    def show(section):
        from studies.page.blocks import Chapter
        from studies.page.page import render

        return render("", [], [Chapter("", [section])], Path(tmp_path))

    return show
