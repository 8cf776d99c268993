"""The records of evaluated checkpoints in one folder: each kind apart, each test in a file of its own."""

import dataclasses
import json

import numpy as np
import pytest

from records import RunFolder
from records.classification import ClassificationRecord
from records.errors import ForeignRecordError
from records.evaluation import EvaluationRecord, read_evaluations

CHECKPOINT = {"checkpoint": "best.ckpt", "epoch": 4, "step": 50, "network": "resnet18", "padding": "zero"}
CHECKPOINT |= {"padding_at_test": "partial", "precision": "32-true", "data": {"files": "d"}, "images": 3}


def classification(**changes) -> ClassificationRecord:
    results = {"acc1": 100 / 3, "acc5": None, "loss": 0.1, "image_folder": "/images", "image_list": "images-d.json.gz"}
    return ClassificationRecord(**{**CHECKPOINT, **results, "predicted": np.array([2, 0, 40_000]), **changes})


def segmentation(**changes) -> EvaluationRecord:
    settings = {"dilation": "", "class_names": ["road"], "leave_out": [], "border_scope": "image", "average": "logits"}
    settings |= {"distance_edges": [], "tile_size": None, "confusion": {"regular": [[[[7]]]]}}
    return EvaluationRecord(**{**CHECKPOINT, **settings, **changes})


@pytest.mark.parametrize(
    ("make", "change", "result"),
    [
        (classification, {}, {"acc1": 0.0, "provenance": {"host": "b"}}),
        (segmentation, {"average": "softmax"}, {"confusion": {"regular": [[[[6]]]]}, "provenance": {"host": "b"}}),
    ],
)
def test_a_record_replaces_only_its_own_file(make, change, result):
    changes = [{}, {"step": 51}, {"padding_at_test": "zero"}, {"data": {"files": "e"}}, {"checkpoint": "last.ckpt"}]
    changes += [change] if change else []
    assert make(**result).file_name == make().file_name
    assert len({make(**each).file_name for each in [{}, *changes]}) == len(
        {json.dumps(each) for each in [{}, *changes]}
    )


def test_patterns_that_differ_in_signs_have_files_of_their_own():
    names = ("conv1=zero;*=partial", "conv1*=zero;*=partial", "conv1=zero,partial")
    assert len({classification(padding_at_test=name).file_name for name in names}) == 3


def test_file_names_are_those_of_earlier_versions():
    """As first written; another hash would keep a test that is run again beside its old result."""
    assert classification().file_name == "best-partial-8dbd0a3f.json"
    assert segmentation().file_name == "best-partial-56b494eb.json"


def test_kinds_are_told_apart_and_damage_is_named(tmp_path):
    folder = RunFolder(tmp_path)
    files = {kind: folder.evaluations / f"{kind}.json" for kind in ("classification", "segmentation")}
    classification().write(files["classification"])
    # As `test` of a segmentation network wrote it at first: without a kind.
    files["segmentation"].write_text(json.dumps(dataclasses.asdict(segmentation())))
    cut = folder.evaluations / "cut.json"
    cut.write_text('{"kind": "classification", "checkpoint"')
    (folder.evaluations / "list.json").write_text("[]")
    (folder.evaluations / "other.json").write_text('{"kind": "none"}')
    (folder.evaluations / "gone.json").symlink_to("nowhere")
    found, unusable = read_evaluations(folder)
    assert {type(record): path for path, record in found.items()} == {
        ClassificationRecord: files["classification"],
        EvaluationRecord: files["segmentation"],
    }
    reasons = {path.stem: reason.partition(":")[0] for path, reason in unusable.items()}
    foreign = "holds a record of kind 'none', which no study reads"
    assert reasons == {"cut": "is damaged", "list": "is damaged", "other": foreign, "gone": "cannot be read"}
    with pytest.raises(ForeignRecordError):
        EvaluationRecord.read(files["classification"])
