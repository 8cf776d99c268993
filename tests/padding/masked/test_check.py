"""The comparison of values finds what no rule sees, and is made once for a network and a set of sizes."""

import copy
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from padding import UnfollowableError, convert_padding, forward_masked
from padding.masked import check
from padding.masked.call import Call
from tests.support.masked_nets import Function

SIZES = [(12, 20), (17, 9), (14, 14)]


def pooled(x):
    return x.mean((2, 3))


def _doubled(part, whole=False):
    """Doubles a part of a map, which is a copy on the canvas, and returns the map; or the other way round."""

    def function(m, x):
        cut = part(x)
        (x if whole else cut).mul_(2)
        return cut if whole else x

    return function


SILENT = {
    "the width as a number": lambda m, x: x.sum((2, 3)) / int(x.shape[3]),
    "a fraction of the height": lambda m, x: pooled(x) * (0.5 * x.shape[2]),
    "the number of positions": lambda m, x: x.sum((2, 3)) / x.shape.numel(),
    "a loop over rows": lambda m, x: pooled(x) * sum(1 for _ in range(x.shape[2])),
    "weights chosen by the size": lambda m, x: pooled(x) * [m.first, m.second][x.shape[2] % 2],
    "maps chosen by the size": lambda m, x: [2 * x, 3 * x][x.shape[2] % 2] + 1,
    "a branch on the size": lambda m, x: F.relu(x) if int(x.shape[2]) > 17 else x.sigmoid(),
    "a table of positions": lambda m, x: pooled(x) + torch.arange(30.0, dtype=x.dtype)[int(x.shape[2])],
    "rows of the batch told apart": lambda m, x: x + torch.arange(len(x), dtype=x.dtype).view(-1, 1, 1, 1),
    "the number of images": lambda m, x: x * len(x),
    "another result for each size": lambda m, x: x if int(x.shape[2]) > 17 else x[:, :2],
    "a slice is written": _doubled(lambda x: x[:, :, 1:]),
    "the whole of a slice is written": _doubled(lambda x: x[:, :, 1:], whole=True),
    "rows of tokens are written": _doubled(lambda x: x.flatten(2)),
    "half of the rows are written": _doubled(lambda x: x[:, :, :8].chunk(2, 2)[0]),
    "what was expanded is written": _doubled(
        lambda x: x[:, :, :1, :1].expand(-1, -1, x.shape[2], x.shape[3]), whole=True
    ),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", SILENT)
def test_what_no_rule_sees_is_found_in_the_values(name, inference, batch_of):
    model = Function(SILENT[name]).double()
    with torch.inference_mode(inference), torch.no_grad():
        forward_masked(model, batch_of(SIZES), SIZES, check=False)
        with pytest.raises(UnfollowableError, match=r"image 0 \(12 x 20\)|image 1 \(17 x 9\)|is .* instead of"):
            forward_masked(model, batch_of(SIZES), SIZES)


@torch.no_grad()
def test_the_message_says_what_differs_by_how_much_and_what_to_do(batch_of):
    model = Function(lambda m, x: pooled(x) * (1 + int(x.shape[2]))).double()
    images = batch_of([(20, 9), (9, 22)], canvas=(20, 22))
    message = r"output 0, \(2, 4\), image 1 \(9 x 22\) differs by 1.1 of its largest value\..*forward_singly"
    with pytest.raises(UnfollowableError, match=message):
        forward_masked(model, images, [(20, 9), (9, 22)])


@torch.no_grad()
def test_grow_is_compared_with_the_reversed_batch(batch_of):
    model = Function(SILENT["rows of the batch told apart"]).double()
    convert_padding(model, "partial")
    with pytest.raises(UnfollowableError, match="differs by"):
        forward_masked(model, batch_of(SIZES), SIZES, rule="grow")


@pytest.mark.parametrize("rule", ["fixed", "grow"])
@torch.no_grad()
def test_a_rule_that_reads_the_padding_is_found(rule, batch_of, monkeypatch):
    """Though the canvas holds zeros outside, as zero padding would."""
    model = nn.Conv2d(3, 4, 3, padding=1).double()
    convert_padding(model, "zero" if rule == "fixed" else "partial")
    monkeypatch.setattr(Call, "clear", lambda call, tensor, state, value=0.0: tensor)
    with pytest.raises(UnfollowableError, match="differs by"):
        forward_masked(model, batch_of(SIZES, outside=0.0), SIZES, rule=rule)


def counted(model):
    """The batches that the network is run on, in order."""
    batches = []
    model.register_forward_pre_hook(lambda module, inputs: batches.append(len(inputs[0])))
    return batches


CHANGES = {
    "the order": (lambda m: None, SIZES[::-1], (20, 22), [3]),
    "the sizes": (lambda m: None, [*SIZES[:2], (14, 15)], (20, 22), [3, 1, 1, 1]),
    "the canvas": (lambda m: None, SIZES, (21, 22), [3, 1, 1, 1]),
    "the number of images": (lambda m: None, SIZES[:2], (20, 22), [2, 1, 1]),
    "the scheme": (lambda m: convert_padding(m, "partial"), SIZES, (20, 22), [3, 1, 1, 1]),
    "the mode": (lambda m: m.train(), SIZES, (20, 22), [3, 1, 1, 1]),
    "a setting": (lambda m: setattr(m[0], "stride", (2, 1)), SIZES, (20, 22), [3, 1, 1, 1]),
    "a parameter's values": (lambda m: m[0].weight.mul_(2), SIZES, (20, 22), [3]),
    "a parameter's shape": (
        lambda m: setattr(m[0], "weight", nn.Parameter(torch.ones(6, 3, 3, 3).double())), SIZES, (20, 22), [3, 1, 1, 1],
    ),
    "a hook": (
        lambda m: m[0].register_forward_hook(lambda module, inputs, output: 2 * output), SIZES, (20, 22), [3, 1, 1, 1],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
@torch.no_grad()
def test_it_is_made_again_after_a_change_of(name, batch_of):
    change, sizes, canvas, expected = CHANGES[name]
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False)).double().eval()
    batches = counted(model)
    for _ in range(2):
        forward_masked(model, batch_of(SIZES, canvas=(20, 22)), SIZES)
    assert batches == [3, 1, 1, 1, 3]
    batches.clear()
    change(model)
    forward_masked(model, batch_of(sizes, canvas=canvas), sizes)
    assert batches == expected


@torch.no_grad()
def test_a_copy_and_a_failed_comparison_are_not_taken_for_compared(batch_of):
    model = Function(SILENT["the width as a number"]).double()
    for network in (model, model, copy.deepcopy(model)):
        with pytest.raises(UnfollowableError):
            forward_masked(network, batch_of(SIZES), SIZES)


@torch.no_grad()
def test_random_numbers_are_refused_unless_nothing_is_compared(batch_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout()).double()
    with pytest.raises(UnfollowableError, match="draws random numbers"):
        forward_masked(model, batch_of(SIZES), SIZES)
    forward_masked(model, batch_of(SIZES), SIZES, check=False)
    forward_masked(model.eval(), batch_of(SIZES), SIZES)


@pytest.mark.parametrize(("dtype", "share"), [("float64", 1e-7), ("float32", 1e-3)])
@torch.no_grad()
def test_rounding_passes_and_a_mistake_does_not(dtype, share, batch_of):
    images = batch_of([(9, 22)], canvas=(10, 22), dtype=getattr(torch, dtype))
    model = Function(lambda m, x: x * (1 + m.share * (int(x.shape[2]) - 9))).to(images.dtype)
    model.share = share / 100
    forward_masked(model, images, [(9, 22)])
    model.share = share
    with pytest.raises(UnfollowableError, match=r"differs by (0\.001|1e-07)"):
        forward_masked(model, images, [(9, 22)])


@torch.no_grad()
def test_an_image_that_holds_nan_is_like_itself(batch_of):
    images = batch_of(SIZES)
    images[0, 0, 3, 3] = float("nan")
    assert forward_masked(Function(lambda m, x: pooled(x)).double(), images, SIZES).output[0].isnan().all()


@torch.no_grad()
def test_the_memory_of_compared_sizes_is_bounded(batch_of, monkeypatch):
    monkeypatch.setattr(check, "_BATCHES_KEPT", 3)
    model, most = nn.Conv2d(3, 4, 3).double(), 0
    for width in range(9, 17):
        forward_masked(model, batch_of([(9, width)]), [(9, width)])
        most = max(most, len(check.seen_batches(model)))
    assert most == 2  # the third empties it
    images = batch_of([(9, 9)] * 64)
    fingerprints = [check.fingerprint(images[:count], [(9, 9)] * count, "fixed") for count in (1, 64)]
    assert {sys.getsizeof(each) for each in fingerprints} == {sys.getsizeof(bytes(16))}
