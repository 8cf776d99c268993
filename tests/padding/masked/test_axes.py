"""Masks over one axis (signals) and three (volumes), against each signal or volume alone."""

import pytest
import torch
from torch import nn

from padding import PaddingError, convert_padding, forward_masked, forward_singly

SIZES = {1: [(31,), (24,), (17,)], 3: [(12, 9, 10), (9, 12, 8), (8, 8, 12)]}


def network(axes):
    """Strides, dilation, pools, normalisation, a residual sum, and a mean over what is valid."""
    conv, norm, pool = (getattr(nn, f"{name}{axes}d") for name in ("Conv", "BatchNorm", "MaxPool"))

    class Block(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.convs = nn.Sequential(conv(channels, channels, 3, padding=2, dilation=2), norm(channels), nn.ReLU())

        def forward(self, x):
            return x + self.convs(x)

    class Head(nn.Module):
        def forward(self, x):
            return x, x.mean(tuple(range(2, axes + 2)))

    layers = conv(2, 4, 5, stride=2, padding=2), norm(4), nn.ReLU(), pool(3, stride=1, padding=1), Block(4)
    return nn.Sequential(*layers, Head()).double().eval()


@pytest.mark.parametrize("scheme", ["zero", "partial", "reflect"])
@pytest.mark.parametrize("axes", [1, 3])
def test_as_each_alone(axes, scheme):
    torch.manual_seed(0)
    model, sizes = network(axes), SIZES[axes]
    convert_padding(model, scheme)
    canvas = tuple(max(own) for own in zip(*sizes, strict=True))
    signals = torch.randn(len(sizes), 2, *canvas, dtype=torch.float64)
    with torch.no_grad():
        found, alone = (run(model, signals, sizes) for run in (forward_masked, forward_singly))
    for output, expected, rows, other in zip(found.output, alone.output, found.valid, alone.valid, strict=True):
        torch.testing.assert_close(output, expected, rtol=1e-12, atol=1e-12)
        assert (rows is None) == (other is None)
        assert rows is None or torch.equal(rows, other)


def test_grow_counts_what_a_window_read():
    """Eq. 3 over one axis: a window of 3 that reads one valid position is valid, and divides by its share."""
    model = nn.Conv1d(1, 1, 3, padding=1, bias=False)
    nn.init.ones_(model.weight)
    convert_padding(model, "partial")
    output, valid = forward_masked(model, torch.ones(2, 1, 6), [(6,), (3,)], rule="grow")
    assert valid.tolist() == [[[0, 6]], [[0, 4]]]
    torch.testing.assert_close(output[1, 0], torch.tensor([3.0, 3, 3, 3, 0, 0]))


@pytest.mark.parametrize(
    ("shape", "sizes", "message"),
    [
        ((1, 1, 5), [(5, 5)], r"sizes must be \(N, 1\), the length of each of the 1 images"),
        ((1, 1, 5), [(6,)], "image 0 is said to be 6; the length must be whole numbers from 1 to .* canvas, 5"),
        ((1, 1, 5, 5, 5), [(5, 5)], r"sizes must be \(N, 3\), depth, height and width"),
        ((1, 5), [(5,)], r"images must be \(N, C, H, W\), \(N, C, L\) or \(N, C, D, H, W\)"),
    ],
)
def test_refusals(shape, sizes, message):
    with pytest.raises(PaddingError, match=message):
        forward_masked(nn.Identity(), torch.ones(shape), sizes)
