"""The benchmark of masks: its sizes, and that each of its steps is what its name says."""

import re

import pytest
import torch
from torch import nn

from benchmarks import masks
from benchmarks.parts import Setting
from padding import convert_padding


@pytest.mark.parametrize("seed", range(20))
def test_some_image_reaches_each_end_of_the_canvas(seed):
    sizes = masks.draw_sizes(40, 6, seed)
    assert [max(side) for side in zip(*sizes, strict=True)] == [40, 40]
    assert min(min(size) for size in sizes) >= 28


def test_the_steps_are_what_they_are_called():
    model = nn.Conv2d(3, 2, 3, padding=1)
    convert_padding(model, "partial")
    sizes = [(8, 5), (6, 8)]
    steps = masks.make_steps(model, torch.randn(2, 3, 8, 8), sizes)
    results = {name: step() for name, step in steps.items()}
    fixed, grow, singly = (results[name].output for name in ("fixed", "grow", "singly"))
    torch.testing.assert_close(fixed, singly)
    assert torch.equal(results["canvas"], results["null"])
    assert not torch.allclose(fixed, grow)  # one more column
    assert not torch.allclose(fixed, results["canvas"])


def test_the_rows(tmp_path):
    rows = list(masks.mask_rows(Setting(torch.device("cpu"), tmp_path, tiny=True)))
    assert [row["pixels"] for row in rows] == [32, 40]
    for row in rows:
        assert {len(seconds) for seconds in row["_seconds"].values()} == {3}
        spreads = [row[name] for name in ("null", "fixed", "grow", "singly", "fixed / singly")]
        assert all(re.fullmatch(r"\d+\.\d+ \[\d+\.\d+, \d+\.\d+\]", each) for each in spreads)
