"""Runs that were tested, with made-up counts."""

import pytest

from records.evaluation import EvaluationRecord
from studies.runs.collect import collect
from tests.support.segmentation_counts import EDGES, LEAVE_OUT, MODES, counts_of


@pytest.fixture
def make_tested(make_run):
    """A run, best in its second epoch, and a test of it; `changes` are of the record, "of_run" of the run."""

    def make(padding="zero", seed=0, name="best", of_run=(), **changes):
        fields = {"network": "net", "variant": "split0", "monitor": "val/miou", **dict(of_run)}
        folder = f"{fields['network']}-{fields['variant']}-{padding}-{seed}"
        run = make_run(padding=padding, seed=seed, values=(10.0, 30.0, 20.0), folder=folder, **fields)
        settings = {
            "checkpoint": "best.ckpt",
            "epoch": 1,
            "step": 40,
            "network": f"deeplabv3plus-{fields['network']}",
            "padding": padding,
            "padding_at_test": padding,
            "precision": "32-true",
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
    return lambda: collect(tmp_path / "runs", "val/miou")
