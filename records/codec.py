"""Writes dataclasses to JSON files and reads them back, checking each value against the annotation of its field.

@dataclass
class Measurement(Record):
    KIND = "measurement"
    seconds: list[float]
    image: np.ndarray

Measurement([0.1], image).write("measurement.json")
Measurement.read("measurement.json")

Annotations may be bool, int, float, str, bytes, Any, np.ndarray, a dataclass, and lists, dictionaries with keys of str
and `| None` of those. Bytes and arrays are base64 within the JSON: one file can be replaced atomically, two files
cannot, and the largest array, the 50,000 predictions on ImageNet's validation set, takes only 130 KB.
"""

import base64
import binascii
import gzip
import json
import types
import typing
import zlib
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from records.atomic import write_atomically
from records.errors import ForeignRecordError, RecordError

INTEGERS, FLOATS = ("<i2", "<i4", "<i8"), ("<f4", "<f8")
"""Types of arrays in a file. Integers are stored in the narrowest type that holds them and read back as int64."""


class Record:
    """A dataclass that is the content of a JSON file (gzipped if the name ends with `.gz`).

    Class attributes:
        KIND: name of the kind, written into the file, so that several kinds can share a folder; None writes none.
        VERSION: version of the fields; a file without one has version 1, and reading refuses any other version.
        INDENT: indentation of the JSON, for files that people read.
    """

    KIND: ClassVar[str | None] = None
    VERSION: ClassVar[int] = 1
    INDENT: ClassVar[int | None] = None

    def write(self, path: str | Path) -> None:
        """Writes the file atomically; equal records give equal bytes."""
        path = Path(path)
        head = {"kind": self.KIND} if self.KIND else {}
        head |= {"version": self.VERSION} if self.VERSION > 1 else {}
        separators = (",", ":") if self.INDENT is None else None
        text = json.dumps(head | _encode(self), indent=self.INDENT, separators=separators) + "\n"
        # mtime=0: gzip would put the time of writing into the bytes.
        data = gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode()
        write_atomically(path, lambda file: file.write(data))

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Reads a record from its file; a file without a kind counts as one of this kind.

        Raises:
            ForeignRecordError: if the file holds another kind of record.
            RecordError: if the file is damaged; names the file and what is wrong in it.
            OSError: if the file cannot be opened.
        """
        return cls.of(read_json(path), path)

    @classmethod
    def of(cls, content: dict[str, Any], path: str | Path) -> Self:
        """Makes a record from the parsed JSON of `path`. Raises ForeignRecordError or RecordError as `read` does."""
        content = dict(content)
        kind, version = content.pop("kind", cls.KIND), content.pop("version", 1)
        if kind != cls.KIND:
            raise ForeignRecordError(f"{path} holds a record of kind {kind!r}, not {cls.KIND!r}")
        if version != cls.VERSION:
            raise RecordError(f"{path} is of version {version!r}; this program reads version {cls.VERSION}")
        try:
            return _decode(cls, content, "")
        # A class's own checks may raise more than ValueError, such as ZeroDivisionError for the proportion 1/0.
        except (ValueError, TypeError, ArithmeticError) as error:
            raise RecordError(f"{path} is damaged: {error}") from None


def read_json(path: str | Path) -> dict[str, Any]:
    """Reads the object in a JSON file. Raises RecordError, naming it, if it is damaged; OSError if it is missing."""
    try:
        data = Path(path).read_bytes()
        content = json.loads(gzip.decompress(data) if Path(path).suffix == ".gz" else data)
    except (ValueError, RecursionError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordError(f"{path} is damaged: {error}") from None
    if not isinstance(content, dict):
        raise RecordError(f"{path} is damaged: it holds no JSON object")
    return content


def _encode(value: Any) -> Any:
    if is_dataclass(value):
        return {field.name: _encode(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _encode(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(each) for each in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return _encode_array(value) if isinstance(value, np.ndarray) else value


def _encode_array(values: np.ndarray) -> dict[str, Any]:
    if values.dtype.kind in "iu":
        low, high = (values.min(), values.max()) if values.size else (0, 0)
        # Little-endian on every machine.
        dtype = next(each for each in INTEGERS if np.iinfo(each).min <= low and high <= np.iinfo(each).max)
    else:
        dtype = "<f4" if values.dtype == np.float32 else "<f8"
    return {
        "dtype": dtype,
        "shape": list(values.shape),
        "base64": base64.b64encode(values.astype(dtype).tobytes()).decode(),
    }


def _decode(kind: Any, value: Any, where: str) -> Any:
    """Converts a JSON value to the annotated type `kind`. Raises ValueError, which names the place, if it differs."""
    origin, of = typing.get_origin(kind) or kind, typing.get_args(kind)
    if kind is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        # Only unions with None are allowed, so there is one other type.
        kinds = [each for each in of if each is not types.NoneType]
        return None if value is None and len(kinds) < len(of) else _decode(kinds[0], value, where)
    if is_dataclass(kind):
        return _decode_fields(kind, value, where)
    if kind is np.ndarray:
        return _decode_array(value, where)
    if kind is bytes:
        return _decode_base64(value, where)
    # JSON has no type of its own for a float that was set to a whole number, such as 0.
    if kind is float and type(value) is int:
        return float(value)
    # `type` instead of isinstance, for which True is an int.
    if type(value) is not origin:
        raise ValueError(f"{where or 'it'} is {_short(value)}, no {origin.__name__}")
    if origin is list and of:
        return [_decode(of[0], each, f"{where}[{number}]") for number, each in enumerate(value)]
    if origin is dict and of:
        return {key: _decode(of[1], each, f"{where}[{key!r}]") for key, each in value.items()}
    return value


@cache
def _annotations(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_fields(kind: type, value: Any, where: str) -> Any:
    if type(value) is not dict:
        raise ValueError(f"{where} is {_short(value)}, no {kind.__name__}")
    known = {field.name: field for field in fields(kind)}
    required = {name for name, field in known.items() if field.default is field.default_factory is MISSING}
    for problem, names in (("misses", required - value.keys()), ("has unknown", value.keys() - known.keys())):
        if names:
            raise ValueError(f"{where or 'it'} {problem} {', '.join(sorted(names))}")
    annotations, prefix = _annotations(kind), f"{where}." if where else ""
    found = {name: _decode(annotations[name], each, f"{prefix}{name}") for name, each in value.items()}
    return kind(**found)


def _decode_array(value: Any, where: str) -> np.ndarray:
    if type(value) is not dict or not value.keys() <= {"dtype", "shape", "base64"}:
        raise ValueError(f"{where} is {_short(value)}, no array")
    # Earlier versions wrote no shape for integer arrays, which had one axis, and no type for float arrays.
    dtype, data = value.get("dtype", "<f4"), _decode_base64(value.get("base64"), where)
    if dtype not in (*INTEGERS, *FLOATS):
        raise ValueError(f"{where} has the type {dtype!r}, none of {', '.join((*INTEGERS, *FLOATS))}")
    try:
        array = np.frombuffer(data, dtype).reshape(value.get("shape", -1))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} is no array: {error}") from None
    return array.astype(np.int64) if dtype in INTEGERS else array


def _decode_base64(value: Any, where: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (TypeError, binascii.Error, ValueError) as error:
        raise ValueError(f"{where} is no base64: {error}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
