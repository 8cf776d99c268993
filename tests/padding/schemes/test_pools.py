"""Average pools that leave their padding out: against windows cut out of the input, and as part of a conversion."""

import copy
import itertools
import pickle

import pytest
import torch
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import nn

from padding import convert_padding

POOLS = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}


def beside(pool):
    """With a convolution that is converted in any case, outside of the pool's way."""
    return nn.ModuleDict({"conv": nn.Conv2d(1, 1, 3, padding=1), "pool": pool})


def averages(x, shape, kernel, stride, before):
    """The mean of what of each window lies inside."""
    y = torch.empty(*x.shape[:2], *shape, dtype=x.dtype)
    for at in itertools.product(*map(range, shape)):
        window = x
        for axis, (i, k, s, b) in enumerate(zip(at, kernel, stride, before, strict=True), start=2):
            rows = [row for row in range(i * s - b, i * s - b + k) if 0 <= row < x.shape[axis]]
            window = window.index_select(axis, torch.tensor(rows))
        y[(..., *at)] = window.mean(tuple(range(2, x.dim())))
    return y


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("ceil_mode", [False, True])
def test_averages_are_over_what_lies_inside(axes, ceil_mode):
    for kernel, stride, pad, size in itertools.product((2, 3, 4), (1, 2, 3), (1, 2), (4, 5, 7)):
        if 2 * pad > kernel:
            continue
        net = beside(POOLS[axes](kernel, stride, pad, ceil_mode=ceil_mode))
        x = torch.randn(2, 1, *(size, 6, 5)[:axes], dtype=torch.float64)
        plain = net["pool"](x)
        report = convert_padding(net, "partial", average_pools=True)
        assert report.converted == ["conv", "pool"]
        y = net["pool"](x)
        expected = averages(x, plain.shape[2:], (kernel,) * axes, (stride,) * axes, (pad,) * axes)
        torch.testing.assert_close(y, expected)
        assert not torch.allclose(plain, expected)


@pytest.mark.parametrize("counting", [False, True])
def test_same_pools_of_timm(counting):
    for kernel, stride, size in itertools.product((2, 3, 4), (1, 2, 3), (5, 6, 7)):
        net = beside(AvgPool2dSame(kernel, stride, count_include_pad=counting, ceil_mode=counting))
        x = torch.randn(2, 1, size, 6, dtype=torch.float64)
        plain = net["pool"](x)
        assert convert_padding(net, "partial", average_pools=True).converted == ["conv", "pool"]
        totals = [max(0, (-(-n // stride) - 1) * stride + kernel - n) for n in (size, 6)]
        expected = averages(x, plain.shape[2:], (kernel,) * 2, (stride,) * 2, [total // 2 for total in totals])
        torch.testing.assert_close(net["pool"](x), expected)
        convert_padding(net, "zero")
        assert torch.equal(net["pool"](x), plain)
        if any(totals):
            assert not torch.allclose(plain, expected), "timm leaves its zeros out by now: then this is not needed"


def test_only_when_asked_and_only_under_partial():
    net = beside(nn.AvgPool2d(3, 2, padding=1))
    x = torch.randn(1, 1, 6, 6)
    before = net["pool"](x)
    state = set(net["pool"].__dict__)
    for scheme, average_pools in itertools.product(("partial", "reflect", "zero"), (False, True)):
        convert_padding(net, "partial", average_pools=True)
        report = convert_padding(net, scheme, average_pools=average_pools)
        converted = scheme == "partial" and average_pools
        assert ("pool" in report.converted) == converted
        assert ("pool" in report.left) != converted
        assert torch.equal(net["pool"](x), before) != converted
        assert report.kinds["pool"] == "AvgPool2d"
        if not converted:
            assert type(net["pool"]) is nn.AvgPool2d
            assert "average_pools=True" in report.reasons["pool"]
        assert convert_padding(net, scheme, average_pools=average_pools).to_dict() == report.to_dict()
        assert set(net["pool"].__dict__) == state
        assert net["pool"].count_include_pad


def test_copies_pickles_and_graphs():
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.AvgPool2d(3, 2, padding=1), AvgPool2dSame(2, 2))
    convert_padding(net, "partial", average_pools=True)
    x = torch.randn(1, 1, 7, 9)
    y = net(x)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x), y)
        convert_padding(twin, "zero")
        assert [type(module) for module in twin] == [nn.Conv2d, nn.AvgPool2d, AvgPool2dSame]
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, dynamic=True, backend="eager")
    for size in ((7, 9), (8, 10), (11, 6)):
        x = torch.randn(1, 1, *size)
        torch.testing.assert_close(compiled(x), net(x))


class OwnPool(nn.AvgPool2d):
    """A subclass, which may do anything."""

    def forward(self, input):
        return super().forward(input) * 2


@pytest.mark.parametrize(
    ("pool", "reason"),
    [
        (nn.AvgPool2d(3, 2, padding=1, divisor_override=5), "a number of its own"),
        (nn.AvgPool2d(3, 2, padding=1, count_include_pad=False), "partial padding already"),
        (OwnPool(3, 2, padding=1), "a pool, not a convolution"),
        (nn.MaxPool2d(3, 2, padding=1), "-inf"),
        (MaxPool2dSame(3, 2), "-inf"),
    ],
)
def test_pools_that_stay(pool, reason):
    net = beside(pool)
    report = convert_padding(net, "partial", average_pools=True)
    assert report.left == ["pool"]
    assert reason in report.reasons["pool"]


@pytest.mark.parametrize("pool", [nn.AvgPool2d(3, 2), nn.AvgPool2d(3, 2, ceil_mode=True), AvgPool2dSame(1, 2)])
def test_pools_without_padding_are_not_mentioned(pool):
    report = convert_padding(beside(pool), "partial", average_pools=True)
    assert [*report.converted, *report.left] == ["conv"]
