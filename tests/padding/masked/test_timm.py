"""One model of every file of timm that has a padded convolution and takes images of any size: followed exactly, or
refused by name.

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


def rows(outcome):
    return [
        pytest.param(row, id=row["model"], marks=[pytest.mark.slow] if row["slow"] else [])
        for row in ROWS
        if row["outcome"] == outcome
    ]


@pytest.fixture
def batch(row, batch_of):
    """The network, its images and their sizes."""
    torch.manual_seed(0)
    sizes = [tuple(map(int, size.split("x"))) for size in row["sizes"].split()]
    images = batch_of(sizes, canvas=tuple(map(int, row["canvas"].split("x"))))
    return prepared(timm.create_model(row["model"])), images, sizes


@pytest.mark.parametrize("row", rows("followed"))
@torch.no_grad()
def test_followed(row, batch, worst_difference):
    assert worst_difference(*batch) < 1e-10


@pytest.mark.parametrize("row", rows("refused"))
@torch.no_grad()
def test_refused(row, batch):
    model, images, sizes = batch
    for height, width in sizes:
        model(torch.randn(1, 3, height, width, dtype=torch.float64))  # it is the mask that is refused, not the size
    with pytest.raises(PaddingError, match=row["operation"]):
        forward_masked(model, images, sizes)


def test_how_many_files():
    assert len({row["file"] for row in ROWS if row["outcome"] == "followed"}) == 57
