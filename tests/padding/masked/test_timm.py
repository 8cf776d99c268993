"""One model of every file of timm that has a padded convolution: followed exactly, or refused by name.

timm_masked.csv says which, for images of which sizes; docs/masks.md has the table of what is refused.
"""

import csv
from pathlib import Path

import pytest
import timm
import torch

from padding import PaddingError, forward_masked
from tests.support.masked_nets import prepared

with Path(__file__).with_name("timm_masked.csv").open() as lines:
    ROWS = list(csv.DictReader(lines))

FILES_FOLLOWED = 60  # of 82, timm 1.0.31


def rows(*outcomes):
    return [
        pytest.param(row, id=row["model"], marks=[pytest.mark.slow] if row["slow"] else [])
        for row in ROWS
        if row["outcome"] in outcomes
    ]


def build(name):
    torch.manual_seed(0)
    return prepared(timm.create_model(name))


def sizes_of(row):
    return [tuple(map(int, size.split("x"))) for size in row["sizes"].split()]


def canvas_of(row):
    return tuple(map(int, row["canvas"].split("x")))


@pytest.mark.parametrize("row", rows("followed"))
@torch.no_grad()
def test_followed(row, batch_of, worst_difference):
    sizes = sizes_of(row)
    images = batch_of(sizes, canvas=canvas_of(row))
    assert worst_difference(build(row["model"]), images, sizes) < 1e-10


@pytest.mark.parametrize("row", rows("refused"))
@torch.no_grad()
def test_refused(row, batch_of):
    model = build(row["model"])
    sizes = sizes_of(row)
    for height, width in sizes:
        model(torch.randn(1, 3, height, width, dtype=torch.float64))  # it is the mask that is refused, not the size
    with pytest.raises(PaddingError, match=row["operation"]):
        forward_masked(model, batch_of(sizes, canvas=canvas_of(row)), sizes)


@pytest.mark.parametrize("row", rows("one size"))
@torch.no_grad()
def test_takes_one_size_only(row):
    with torch.device("meta"):
        model = timm.create_model(row["model"]).eval()
    for size in sizes_of(row):
        with pytest.raises((AssertionError, RuntimeError)):
            model(torch.randn(1, 3, *size, device="meta"))


def test_how_many_files():
    assert len({row["file"] for row in ROWS}) == 82
    assert len({row["file"] for row in ROWS if row["outcome"] == "followed"}) == FILES_FOLLOWED
