"""Records of evaluated networks: what is written comes back, each kind apart, damage is named."""

import dataclasses
import json

import numpy as np
import pytest

from records import RunFolder
from records.classified import ClassificationRecord, ImageList
from records.evaluation import EvaluationRecord, OtherKindError
from records.evaluations import read_evaluations
from records.packed import pack, unpack
from studies.activations.record import ActivationRecord, Shown


def classified(**changes) -> ClassificationRecord:
    fields = {"checkpoint": "best.ckpt", "epoch": 4, "step": 50, "network": "resnet18", "padding": "zero"}
    fields |= {"padding_at_test": "partial", "precision": "32-true", "data": {"files": "d"}, "images": 3}
    fields |= {"acc1": 100 / 3, "acc5": None, "loss": 0.1, "image_folder": "/images", "image_list": "images-d.json.gz"}
    return ClassificationRecord(**{**fields, "predicted": np.array([2, 0, 40_000]), **changes})


@pytest.mark.parametrize(("values", "dtype"), [([], "<i2"), ([0, 32_767, -32_768], "<i2"), ([1, 32_768], "<i4")])
def test_packed_integers_come_back(values, dtype):
    packed = json.loads(json.dumps(pack(values)))
    assert packed["dtype"] == dtype
    assert unpack(packed).tolist() == values


def test_a_record_comes_back_and_replaces_only_its_own_file(tmp_path):
    folder = RunFolder(tmp_path)
    written = classified()
    file = written.write(folder.evaluations)
    found, damaged = read_evaluations(folder, ClassificationRecord)
    assert not damaged
    assert {**vars(found[file]), "predicted": None} == {**vars(written), "predicted": None}
    assert found[file].predicted.tolist() == [2, 0, 40_000]
    assert classified(acc1=0.0).write(folder.evaluations) == file
    for other in (
        {"step": 51},
        {"padding_at_test": "zero"},
        {"data": {"files": "e"}},
        {"checkpoint": "epoch-004.ckpt"},
    ):
        assert classified(**other).write(folder.evaluations) != file
    assert len(read_evaluations(folder, ClassificationRecord)[0]) == 5


def test_kinds_are_told_apart_and_damage_is_named(tmp_path):
    folder = RunFolder(tmp_path)
    classified().write(folder.evaluations)
    names = [field.name for field in dataclasses.fields(EvaluationRecord)]
    # As `test` of a segmentation network has always written it: without a kind.
    EvaluationRecord(**dict.fromkeys(names)).write(folder.evaluations / "best-zero-1.json")
    maps = {"features.3": [np.array([[1.5, -2.0, 0.0]], dtype=np.float32)]}
    image = Shown("/images/a.png", "ape", b"\x89PNG")
    ActivationRecord("best.ckpt", 4, 50, "resnet18", "zero", [image], maps).write(folder.evaluations)
    for kind in (ClassificationRecord, EvaluationRecord, ActivationRecord):
        found, damaged = read_evaluations(folder, kind)
        assert [type(record) for record in found.values()] == [kind]
        assert not damaged
    (found,) = read_evaluations(folder, ActivationRecord)[0].values()
    assert found.images == [image]
    assert found.maps["features.3"][0].tolist() == [[1.5, -2.0, 0.0]]
    for path in folder.evaluations.glob("*.json"):
        if path.name != "best-zero-1.json":
            with pytest.raises(OtherKindError, match="no test of a segmentation network"):
                EvaluationRecord.read(path)
    cut = folder.evaluations / "cut.json"
    cut.write_text('{"kind": "classification", "checkpoint"')
    short = classified(images=4).write(folder.evaluations / "short")
    short.rename(folder.evaluations / "short.json")
    found, damaged = read_evaluations(folder, ClassificationRecord)
    assert len(found) == 1
    assert [message.split(" is damaged: ")[0] for message in damaged] == [
        str(cut),
        str(folder.evaluations / "short.json"),
    ]
    assert "3 predictions of 4 images" in damaged[1]


def test_a_list_of_images_comes_back_and_has_the_same_bytes_each_time(tmp_path):
    images = ImageList(["a/1.png", "b/ü 2.png"], [0, 1], ["ape", "bee"])
    images.write(tmp_path / "one.gz")
    images.write(tmp_path / "two.gz")
    assert ImageList.read(tmp_path / "one.gz") == images
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
