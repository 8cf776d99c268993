"""The closed form of Eq. 5 against counting."""

import itertools
import random

import pytest
import torch

from padding import PaddingError, border_ratio


def counted(size, kernel, stride, pads, dilation):
    """One axis, tap by tap."""
    outputs = (size + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1
    ratios = []
    for i in range(outputs):
        inside = sum(0 <= i * stride - pads[0] + tap * dilation < size for tap in range(kernel))
        ratios.append(kernel / inside if inside else 0.0)
    return ratios


def test_every_small_geometry_of_one_axis():
    for size, kernel, stride, before, after, dilation in itertools.product(
        (1, 2, 3, 7), (1, 2, 3, 4, 7), (1, 2, 5), (0, 1, 3, 8), (0, 1, 4), (1, 2, 3)
    ):
        if size + before + after < dilation * (kernel - 1) + 1:
            continue
        ratio = border_ratio(size, kernel, stride, ((before, after),), dilation, dtype=torch.float64)
        assert ratio.tolist() == pytest.approx(counted(size, kernel, stride, (before, after), dilation), abs=1e-15)


def test_axes_multiply():
    rng = random.Random(0)
    for _ in range(30):
        sizes, kernels = [[rng.randint(3, 9) for _ in range(3)] for _ in range(2)]
        kernels = [min(kernel, size) for kernel, size in zip(kernels, sizes, strict=True)]
        pads = [(rng.randint(0, 3), rng.randint(0, 3)) for _ in range(3)]
        a, b, c = (torch.tensor(counted(n, k, 1, p, 1)) for n, k, p in zip(sizes, kernels, pads, strict=True))
        expected = a[:, None, None] * b[:, None] * c
        torch.testing.assert_close(border_ratio(sizes, kernels, padding=pads), expected)


def test_defaults_and_words():
    assert border_ratio((4, 5), 3, padding=1)[0].tolist() == [9 / 4, 9 / 6, 9 / 6, 9 / 6, 9 / 4]
    assert border_ratio(9, 3, padding="valid").tolist() == [1.0] * 7
    assert border_ratio(5, 4, padding="same").tolist() == pytest.approx(counted(5, 4, 1, (1, 2), 1))  # odd one behind


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((4, 4), (3, 3, 3)), "kernel_size has 3 values for 2 axes"),
        ((0, 3), "size must be positive"),
        ((4, 3, 0), "stride must be positive"),
        ((2, 5), "does not fit"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(PaddingError, match=message):
        border_ratio(*arguments)
