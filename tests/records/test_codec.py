"""Records are what was written, or name the file and what is wrong in it."""

import gzip
import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pytest

from records.codec import Record
from records.errors import ForeignRecordError, RecordError


@dataclass(frozen=True)
class Part:
    name: str
    png: bytes


@dataclass(eq=False)
class Example(Record):
    KIND: ClassVar[str] = "example"

    count: int
    loss: float
    parts: list[Part]
    top: float | None
    maps: dict[str, list[np.ndarray]]
    classes: np.ndarray
    anything: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self):
        if self.classes.shape != (self.count,):
            raise ValueError(f"{self.classes.size} classes of {self.count}")


def example(**changes) -> Example:
    fields = {"count": 2, "loss": 0.1 + 0.2, "parts": [Part("ü", b"\x89PNG\x00")], "top": None, "anything": {"a": [1]}}
    fields |= {"maps": {"x": [np.array([[1.5, -0.0, np.inf]], np.float32)]}, "classes": np.array([3, 40_000])}
    return Example(**{**fields, **changes})


@pytest.mark.parametrize("name", ["a.json", "new/a.json.gz"])
def test_a_record_comes_back_and_has_the_same_bytes_each_time(tmp_path, name):
    path = tmp_path / name
    written = example()
    written.write(path)
    data = path.read_bytes()
    found = Example.read(path)
    for attribute in ("count", "loss", "parts", "top", "anything"):
        assert getattr(found, attribute) == getattr(written, attribute)
    assert found.maps["x"][0].tobytes() == written.maps["x"][0].tobytes()
    assert found.maps["x"][0].dtype == np.float32
    assert found.classes.tolist() == [3, 40_000]
    found.write(path)
    assert path.read_bytes() == data


@pytest.mark.parametrize(
    ("values", "dtype"), [([], "<i2"), ([0, 32_767, -32_768], "<i2"), ([1, 32_768], "<i4"), ([-(2**31) - 1], "<i8")]
)
def test_integers_take_no_more_room_than_needed(tmp_path, values, dtype):
    example(classes=np.array(values, np.int64), count=len(values)).write(tmp_path / "a.json")
    assert json.loads((tmp_path / "a.json").read_text())["classes"]["dtype"] == dtype
    assert Example.read(tmp_path / "a.json").classes.tolist() == values


def test_arrays_and_numbers_of_earlier_versions_are_read(tmp_path):
    def change(content):
        del content["classes"]["shape"], content["maps"]["x"][0]["dtype"], content["kind"]
        return {**content, "top": 5}

    found = Example.read(edited(tmp_path / "a.json", change))
    assert (found.top, type(found.top), found.classes.tolist()) == (5.0, float, [3, 40_000])
    assert found.maps["x"][0].tolist() == [[1.5, -0.0, np.inf]]


def edited(path, change):
    example().write(path)
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: [content], "it holds no JSON object"),
        (lambda content: {key: content[key] for key in content if key not in ("loss", "top")}, "it misses loss, top"),
        (lambda content: {**content, "more": 1}, "it has unknown more"),
        (lambda content: {**content, "count": 2.0}, "count is 2.0, no int"),
        (lambda content: {**content, "count": True}, "count is True, no int"),
        (lambda content: {**content, "loss": "0.3"}, "loss is '0.3', no float"),
        (lambda content: {**content, "loss": None}, "loss is None, no float"),
        (lambda content: {**content, "parts": {}}, "parts is {}, no list"),
        (lambda content: {**content, "parts": ["a"]}, r"parts\[0\] is 'a', no Part"),
        (lambda content: {**content, "parts": [{"name": "a"}]}, r"parts\[0\] misses png"),
        (lambda content: {**content, "parts": [{"name": "a", "png": "?"}]}, r"parts\[0\]\.png is no base64"),
        (lambda content: {**content, "maps": {"x": [1]}}, r"maps\['x'\]\[0\] is 1, no array"),
        (lambda content: {**content, "classes": {**content["classes"], "dtype": "O"}}, "classes has the type 'O'"),
        (lambda content: {**content, "classes": {**content["classes"], "shape": [3]}}, "classes is no array"),
        (lambda content: {**content, "classes": {**content["classes"], "base64": None}}, "classes is no base64"),
        (lambda content: {**content, "count": 3}, "2 classes of 3"),
    ],
)
def test_damage_is_named(tmp_path, change, message):
    path = edited(tmp_path / "a.json", change)
    with pytest.raises(RecordError, match=rf"a\.json is damaged: {message}"):
        Example.read(path)


def test_files_cut_short_and_of_other_programs_are_named(tmp_path):
    for name in ("a.json", "a.json.gz"):
        example().write(tmp_path / name)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-40])
        with pytest.raises(RecordError, match=f"{name} is damaged"):
            Example.read(tmp_path / name)
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b"{}")[:10] + b"\xff" * 20)
    for data, name in ((b"\x89PNG\xff", "a.json"), (b"{}", "a.json.gz"), (None, "a.json.gz")):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(RecordError, match=f"{name} is damaged"):
            Example.read(tmp_path / name)
    with pytest.raises(ForeignRecordError, match="holds a record of kind 'maps', not 'example'"):
        Example.read(edited(tmp_path / "a.json", lambda content: {**content, "kind": "maps"}))
    with pytest.raises(RecordError, match="is of version 2; this program reads version 1"):
        Example.read(edited(tmp_path / "a.json", lambda content: {**content, "version": 2}))
    with pytest.raises(FileNotFoundError):
        Example.read(tmp_path / "absent.json")
