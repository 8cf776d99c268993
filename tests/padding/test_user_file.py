"""A scheme from a file of the user's own, by name; copies of it; what is refused."""

import pickle
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, convert_padding
from padding.registry import _SCHEMES
from padding.user_file import digest, look_in

CONTENT = """
import torch.nn.functional as F
from torch import arange, ones_like

def ones(near, amount, measured):
    return ones_like(near).expand(*near.shape[:-1], amount)

def line(near, amount, measured):
    return near[..., :1] + (near[..., :1] - near[..., 1:]) * arange(1, amount + 1)

line.reach = 2

def far(near, amount, measured):
    return near
far.reach = 2.0

def whole(input, weight, bias, geometry):
    (top, bottom), (left, right) = geometry.pads
    return F.conv2d(F.pad(input, (left, right, top, bottom), value=1.0), weight, bias, geometry.stride)

def other(x):
    return x
"""


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(CONTENT)
    look_in([])
    yield
    look_in([])


def test_both_kinds_of_functions():
    x, layer = torch.randn(2, 3, 5, 6), nn.Conv2d(3, 4, 3, 2, padding=1)
    expected = F.conv2d(F.pad(x, (1,) * 4, value=1.0), layer.weight, layer.bias, 2)
    for name in ("mine.py:ones", "mine.py:whole", "*=mine.py:ones"):
        model = nn.Sequential(layer)
        report = convert_padding(model, name)
        assert report.files == {"mine.py": digest(Path("mine.py"))}
        torch.testing.assert_close(model(x), expected)
        torch.testing.assert_close(pickle.loads(pickle.dumps(model))(x), expected)
    convert_padding(model, "extrapolate:2")
    expected = model(x)
    convert_padding(model, "mine.py:line")
    torch.testing.assert_close(model(x), expected)
    convert_padding(model, "zero,mine.py:ones")
    rows_of_zeros = F.pad(F.pad(x, (0, 0, 1, 1)), (1, 1, 0, 0), value=1.0)
    torch.testing.assert_close(model(x), F.conv2d(rows_of_zeros, layer.weight, layer.bias, 2))


def test_a_copy_is_found_and_must_be_the_same(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "mine.py").write_text(CONTENT)
    look_in([run])
    layer = nn.Conv2d(3, 4, 3, padding=1)
    convert_padding(layer, "mine.py:ones")
    (tmp_path / "mine.py").write_text(CONTENT + "# another line")
    look_in([run])
    with pytest.raises(PaddingError, match=r"mine.py is not what the run began with, which is .*run/mine.py; put that"):
        convert_padding(layer, "mine.py:ones")
    (tmp_path / "mine.py").unlink()
    look_in([run])
    assert convert_padding(layer, "mine.py:ones").files == {str(run / "mine.py"): digest(run / "mine.py")}


def test_a_file_may_register_a_scheme_of_its_own(tmp_path):
    (tmp_path / "registers.py").write_text(
        "from padding import register_scheme\n"
        "@register_scheme('own_name', survives_fusing=True)\n"
        "def first(input, weight, bias, geometry):\n    return input\n"
        "def second(input, weight, bias, geometry):\n    return input * 2\n"
    )
    (tmp_path / "copy.py").write_text((tmp_path / "registers.py").read_text())
    try:
        for name in ("registers.py:first", "registers.py:second", "copy.py:second"):
            assert convert_padding(nn.Conv2d(3, 3, 3, padding=1), name).converted == [""]
    finally:
        _SCHEMES.pop("own_name")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.py:ones", "there is no file none.py; name one as FILE.py:FUNCTION"),
        ("mine.py:twos", "has no function 'twos'; it has ones, line, far, whole, other"),
        ("mine.py:other", "it takes 1 arguments"),
        ("mine.py:far", "its reach is 2.0; give a number"),
        ("bad.py:ones", "bad.py does not run: ZeroDivisionError"),
        ("later.py:ones", r"ZeroDivisionError: division by zero \(.*later.py, line 2\)"),
    ],
)
def test_refusals(name, message, tmp_path):
    (tmp_path / "bad.py").write_text("1 / 0")
    (tmp_path / "later.py").write_text("def ones(near, amount, measured):\n    return 1 / 0\n")
    with pytest.raises(PaddingError, match=message):
        convert_padding(nn.Conv2d(3, 4, 3, padding=1), name, example=torch.ones(1, 3, 4, 4))
