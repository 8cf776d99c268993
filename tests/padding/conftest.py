"""The oracle: partial padding by Eq. 1 to 5, window by window, sharing no code and no formula with the package."""

import csv
import itertools
import random
from pathlib import Path

import pytest
import torch

TIMM_MODELS = Path(__file__).parent / "conversion" / "timm_models.csv"


def oracle(x, weight, bias, stride, pads, dilation, groups, positions=None):
    """Output at each position (all of them by default): the window is cut out tap by tap and its taps are counted.

    Returns a dict from position to a tensor (N, C_out), and the output's spatial shape.
    """
    sizes, kernels = x.shape[2:], weight.shape[2:]
    shape = tuple(
        (n + before + after - d * (k - 1) - 1) // s + 1
        for n, k, s, (before, after), d in zip(sizes, kernels, stride, pads, dilation, strict=True)
    )
    if positions is None:
        positions = itertools.product(*map(range, shape))
    return {at: _window(x, weight, bias, at, stride, pads, dilation, groups) for at in positions}, shape


def _window(x, weight, bias, at, stride, pads, dilation, groups):
    inside, taps = [], []
    for axis, (i, s, (before, _), d) in enumerate(zip(at, stride, pads, dilation, strict=True)):
        rows = [(i * s - before + tap * d, tap) for tap in range(weight.shape[axis + 2])]
        rows = [(row, tap) for row, tap in rows if 0 <= row < x.shape[axis + 2]]
        inside.append([row for row, _ in rows])
        taps.append([tap for _, tap in rows])
    counted = 1
    for rows in inside:
        counted *= len(rows)
    outputs = weight.shape[0]
    if counted == 0:
        return x.new_zeros(x.shape[0], outputs)
    values, filters = x, weight
    for axis, (rows, tap) in enumerate(zip(inside, taps, strict=True), start=2):
        values = values.index_select(axis, torch.tensor(rows))
        filters = filters.index_select(axis, torch.tensor(tap))
    values = values.reshape(x.shape[0], groups, -1)
    filters = filters.reshape(groups, outputs // groups, -1)
    sums = torch.einsum("ngk,gok->ngo", values, filters).reshape(x.shape[0], outputs)
    result = sums * (weight[0, 0].numel() / counted)
    return result if bias is None else result + bias


def transposed_oracle(x, layer, positions, reweighted=True):
    """Each output gathers its taps; what each tap would read on an unbounded input is counted, inside or not."""
    groups, per_group = layer.groups, layer.weight.shape[1]
    weight = layer.weight.reshape(groups, -1, *layer.weight.shape[1:])
    bias = x.new_zeros(groups * per_group) if layer.bias is None else layer.bias
    grouped = x.reshape(x.shape[0], groups, -1, *x.shape[2:])
    expected = {}
    for at in positions:
        total, full, inside = x.new_zeros(x.shape[0], groups, per_group), 0, 0
        for tap in itertools.product(*map(range, layer.kernel_size)):
            reach = [o + p - k * d for o, p, k, d in zip(at, layer.padding, tap, layer.dilation, strict=True)]
            if any(r % s for r, s in zip(reach, layer.stride, strict=True)):
                continue
            full += 1
            source = [r // s for r, s in zip(reach, layer.stride, strict=True)]
            if all(0 <= i < n for i, n in zip(source, x.shape[2:], strict=True)):
                inside += 1
                total = total + torch.einsum("ngi,gio->ngo", grouped[(..., *source)], weight[(..., *tap)])
        ratio = full / inside if reweighted and inside else 1.0
        nothing_seen = reweighted and full and not inside
        expected[at] = total.flatten(1) if nothing_seen else total.flatten(1) * ratio + bias
    return expected


def worst_error(y, expected):
    """The largest absolute difference between an output (N, C, *sizes) and the oracle's positions, over their scale."""
    scale = max(1e-12, max(float(value.detach().abs().max()) for value in expected.values()))
    return max(float((y[(..., *at)] - value).detach().abs().max()) for at, value in expected.items()) / scale


def some_positions(shape, limit, seed):
    """All positions of a small map; of a large one its corners, and as many on the border as inside."""
    everything = list(itertools.product(*map(range, shape)))
    if len(everything) <= limit:
        return everything
    rng = random.Random(seed)
    border = [at for at in everything if any(i < 3 or i >= n - 3 for i, n in zip(at, shape, strict=True))]
    corners = list(itertools.product(*((0, n - 1) for n in shape)))
    return list({*corners, *rng.sample(border, min(len(border), limit // 2)), *rng.sample(everything, limit // 2)})


# Two fifths of the time of all models together; the classes of their layers are tested in others as well.
SLOW_MODELS = {
    "coat_tiny",
    "csatv2",
    "halonet_h1",
    "mobilenetv5_base",
    "nasnetalarge",
    "nest_tiny",
    "pnasnet5large",
    "samvit_base_patch16",
    "vitamin_small_224",
    "volo_d1_224",
}


def read_timm_models():
    """Rows of timm_models.csv: for each file of timm its smallest padded model, and those of the special cases."""
    with TIMM_MODELS.open() as lines:
        return [(row["file"], row["model"], int(row["height"]), int(row["width"])) for row in csv.DictReader(lines)]


def pytest_generate_tests(metafunc):
    if "timm_row" in metafunc.fixturenames:
        rows = [
            pytest.param(row, id=row[1], marks=[pytest.mark.slow] if row[1] in SLOW_MODELS else [])
            for row in read_timm_models()
        ]
        metafunc.parametrize("timm_row", rows)


@pytest.fixture(name="oracle")
def oracle_fixture():
    return oracle


@pytest.fixture(name="transposed_oracle")
def transposed_oracle_fixture():
    return transposed_oracle


@pytest.fixture(name="worst_error")
def worst_error_fixture():
    return worst_error


@pytest.fixture(name="some_positions")
def some_positions_fixture():
    return some_positions


@pytest.fixture(autouse=True)
def _reproducible():
    torch.manual_seed(0)
