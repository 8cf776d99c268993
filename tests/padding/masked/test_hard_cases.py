"""What a network may do that a canvas of several images takes otherwise: followed as alone, or refused by name."""

import gc
import pickle
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, convert_padding, forward_masked, forward_singly
from tests.support.masked_nets import ViewGrown

SIZES = [(12, 20), (17, 9), (14, 14)]


class Function(nn.Module):
    """A convolution and a function behind it, of the module too."""

    def __init__(self, function, **parts):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.function = function
        self.first, self.second = nn.Parameter(torch.randn(4)), nn.Parameter(torch.randn(4))
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, self.stem(x))


def pooled(x):
    return x.mean((2, 3))


def _tokens(x):
    return F.adaptive_avg_pool2d(x, 3).flatten(2).transpose(1, 2)


ALONG_THE_BATCH = {
    "softmax of maps": lambda m, x: x.softmax(0),
    "softmax": lambda m, x: pooled(x).softmax(0),
    "cumsum": lambda m, x: x.cumsum(0),
    "normalize": lambda m, x: F.normalize(x, dim=0),
    "less its mean": lambda m, x: pooled(x) - pooled(x).mean(0, keepdim=True) + 1,
    "the first image": lambda m, x: pooled(x)[:1] + pooled(x),
    "mirrored": lambda m, x: pooled(x).flip(0),
    "shifted": lambda m, x: pooled(x).roll(1, 0),
    "sorted": lambda m, x: pooled(x).sort(0)[0],
    "einsum": lambda m, x: torch.einsum("nc,mc->nc", pooled(x), pooled(x)),
    "attention among images": lambda m, x: F.scaled_dot_product_attention(*[pooled(x)] * 3),
}


@pytest.mark.parametrize("name", ALONG_THE_BATCH)
@torch.no_grad()
def test_what_would_mix_the_images_does_what_it_does_for_one(name, batch_of, worst_difference):
    model = Function(ALONG_THE_BATCH[name]).double()
    assert worst_difference(model, batch_of(SIZES), SIZES) < 1e-12


MIXED = {
    "over all numbers": lambda m, x: pooled(x) / pooled(x).sum(),
    "of each pair": lambda m, x: (pooled(x) @ pooled(x).t()).softmax(-1) @ pooled(x),
    "image 0": lambda m, x: pooled(x) + pooled(x)[0],
    "scrambled": lambda m, x: pooled(x).reshape(-1).view(4, -1).t(),
    "attention, batch first where it is not": lambda m, x: m.attention(*[_tokens(x)] * 3)[0].transpose(1, 2),
    "the images on the second axis": lambda m, x: x.transpose(0, 1),
}


@pytest.mark.parametrize("name", MIXED)
@torch.no_grad()
def test_what_mixes_the_images_is_refused(name, batch_of):
    model = Function(MIXED[name], attention=nn.MultiheadAttention(4, 2)).double().eval()
    with pytest.raises(PaddingError, match=r"images|first axis"):
        forward_masked(model, batch_of(SIZES), SIZES)


WHOLE = {
    "attention": lambda m, x: m.attention(*[_tokens(x)] * 3)[0].transpose(1, 2),
    "heads merged with the batch": lambda m, x: (
        torch.bmm(*[_tokens(x).reshape(-1, 3, 4)[:, :, :3]] * 2).reshape(len(x), 9, 3).transpose(1, 2)
    ),
    "pixels unshuffled": lambda m, x: F.pixel_unshuffle(x[:, :, :8, :8], 2),
    "a matrix": lambda m, x: F.adaptive_avg_pool2d(x, 4) @ m.first.diag(),
    "turned": lambda m, x: (pooled(x).T * m.first[:, None]).t(),
}


@pytest.mark.parametrize("name", WHOLE)
@torch.no_grad()
def test_maps_that_are_whole_keep_their_images(name, batch_of, worst_difference):
    model = Function(WHOLE[name], attention=nn.MultiheadAttention(4, 2, batch_first=True)).double().eval()
    assert worst_difference(model, batch_of(SIZES), SIZES) < 1e-12


BY_SIZE = {
    "channel": lambda m, x: x[:, x.shape[2] % 4].unsqueeze(1),
    "channels": lambda m, x: x[:, x.shape[2] % 3 : x.shape[2] % 3 + 2],
    "shift": lambda m, x: F.adaptive_avg_pool2d(x, 5).roll(x.shape[2], 2),
    "padded value": lambda m, x: F.pad(pooled(x), (1, 1), value=x.shape[2]),
    "interpolation": lambda m, x: F.interpolate(
        F.adaptive_avg_pool2d(x, 5), size=(7, 7), mode="nearest" if x.shape[2] > 16 else "bilinear"
    ),
}


@pytest.mark.parametrize("name", BY_SIZE)
@torch.no_grad()
def test_arguments_that_follow_the_size_are_those_of_the_image(name, batch_of, worst_difference):
    model = Function(BY_SIZE[name]).double()
    for _ in range(2):  # the second run compares nothing
        assert worst_difference(model, batch_of(SIZES), SIZES) < 1e-12


OTHER_TENSORS = {
    "weights": lambda m, x: pooled(x) * (m.first if x.shape[2] > 16 else m.second),
    "maps": lambda m, x: [2 * x, 3 * x][x.shape[2] % 2] + 1,
}


@pytest.mark.parametrize("name", OTHER_TENSORS)
@torch.no_grad()
def test_tensors_chosen_by_the_size_are_refused(name, batch_of):
    with pytest.raises(PaddingError, match="takes another tensor"):
        forward_masked(Function(OTHER_TENSORS[name]).double(), batch_of(SIZES), SIZES)


def _written(part, whole=None):
    """Doubles a part of a map and returns the map; or doubles the map and returns the part."""

    def function(m, x):
        cut = part(x)
        (x if whole else cut).mul_(2)
        return cut if whole else x

    return function


COPIED = {
    "a slice": _written(lambda x: x[:, :, 1:]),
    "the whole of a slice": _written(lambda x: x[:, :, 1:], whole=True),
    "rows of tokens": _written(lambda x: x.flatten(2)),
    "half of the rows": _written(lambda x: x[:, :, :8].chunk(2, 2)[0]),
    "the source of what was expanded": _written(
        lambda x: x[:, :, :1, :1].expand(-1, -1, x.shape[2], x.shape[3]), whole=True
    ),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", COPIED)
def test_parts_that_are_copies_on_the_canvas_may_not_be_written_to_and_their_whole_read(name, inference, batch_of):
    with torch.inference_mode(inference), torch.no_grad(), pytest.raises(PaddingError, match="under another name"):
        forward_masked(Function(COPIED[name]).double(), batch_of(SIZES), SIZES)


VIEWS = {
    "channels": _written(lambda x: x[:, :2]),
    "turned": _written(lambda x: x.transpose(2, 3)),
    "the whole of channels": _written(lambda x: x[:, :2], whole=True),
    "a slice that is all that is read": lambda m, x: F.relu(x[:, :, 1:], inplace=True),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", VIEWS)
def test_parts_that_are_views_may_be_written_to(name, inference, batch_of, worst_difference):
    with torch.inference_mode(inference), torch.no_grad():
        assert worst_difference(Function(VIEWS[name]).double(), batch_of(SIZES), SIZES) < 1e-12


@torch.no_grad()
def test_contiguous_copies_or_not_as_the_sizes_have_it(batch_of, worst_difference):
    model = Function(lambda m, x: x[:, :1].transpose(1, 3).contiguous().transpose(1, 3) + x).double()
    sizes = [(1, 7), (5, 1), (4, 4)]
    assert worst_difference(model, batch_of(sizes), sizes) < 1e-12


class Returned(nn.Module):
    """Whose buffer and parameter come back from functions as they are."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.ones(1, 3, 1, 1))
        self.scale = nn.Parameter(torch.ones(1, 3, 1, 1))

    def forward(self, x):
        return x * self.mean.to(x.dtype) * self.scale.to(x.dtype)


@pytest.mark.parametrize("rule", ["fixed", "grow"])
@torch.no_grad()
def test_nothing_is_written_on_the_network_or_on_what_it_returns(rule, batch_of):
    model = Returned().double()
    output = forward_masked(model, batch_of(SIZES), SIZES, rule=rule).output
    assert not any(tensor.__dict__ for tensor in (output, model.mean, model.scale))
    assert torch.equal(pickle.loads(pickle.dumps(output)), output)
    assert pickle.loads(pickle.dumps(model)).mean.equal(model.mean)


@torch.no_grad()
def test_an_output_does_not_keep_the_network(batch_of):
    model = nn.Sequential(nn.Conv2d(3, 4, 3)).double()
    model[0].register_forward_hook(lambda module, inputs, output: kept.append(output))
    kept = []
    kept.append(forward_masked(model, batch_of(SIZES), SIZES).output)
    network = weakref.ref(model)
    del model
    gc.collect()
    assert network() is None


CHANGES = {
    "a number": lambda m: setattr(m[1], "scale_factor", 3),
    "a list": lambda m: setattr(m[0], "stride", (2, 1)),
    "the type": lambda m: m.float(),
    "a parameter": lambda m: setattr(m[0], "weight", nn.Parameter(torch.randn(6, 3, 3, 3, dtype=torch.float64))),
    "a hook": lambda m: m[0].register_forward_hook(lambda module, inputs, output: 2 * output),
}


@pytest.mark.parametrize("name", CHANGES)
@torch.no_grad()
def test_a_network_that_was_set_otherwise_is_traced_anew(name, batch_of, worst_difference):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.Upsample(scale_factor=2)).double()
    assert worst_difference(model, batch_of(SIZES), SIZES) < 1e-12
    CHANGES[name](model)
    dtype = model[0].weight.dtype
    limit = 1e-12 if dtype == torch.float64 else 1e-5
    for sizes in (SIZES, [(11, 9), (8, 8)]):
        assert worst_difference(model, batch_of(sizes, dtype=dtype), sizes) < limit


@torch.no_grad()
def test_what_is_kept_of_many_sizes_is_bounded(batch_of, monkeypatch):
    monkeypatch.setattr(traces, "_SIZES_KEPT", 3)
    monkeypatch.setattr(lockstep, "_COMPARED_KEPT", 5)
    model = Function(lambda m, x: F.interpolate(x, scale_factor=2)).double()
    for height in range(3, 20):
        sizes = [(height, 7), (5, height), (4, 4), (3, 5)]
        output = forward_masked(model, batch_of(sizes, canvas=(20, 20)), sizes).output
        assert output.shape[2:] == (2 * max(height, 5), 2 * max(height, 7))
    kept = traces.traces_of(model)
    assert len(kept._twins) == 3
    assert len(kept.compared) <= 5 + 4


class Paused(nn.Module):
    """Part of it is not recorded for gradients, and pads."""

    def __init__(self):
        super().__init__()
        self.stem, self.teacher = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = self.stem(x).sigmoid()
        with torch.no_grad():
            known = self.teacher(x.detach())
        return pooled(x * known)


def test_gradients_of_what_is_read_while_they_are_paused(batch_of):
    model = Paused().double()
    found, expected = [], []
    for forward, gradients in ((forward_masked, found), (forward_singly, expected)):
        model.zero_grad()
        forward(model, batch_of(SIZES), SIZES).output.square().sum().backward()
        gradients += [parameter.grad.clone() for parameter in model.stem.parameters()]
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


INTEGERS = {
    "any": lambda m, x: (x > 0).any(1, keepdim=True),
    "count": lambda m, x: (x > 0).sum((2, 3)),
    "largest": lambda m, x: (10 * x).long().amax((2, 3)),
    "smallest": lambda m, x: (10 * x).int().amin((2, 3)),
    "largest of booleans": lambda m, x: (x > 9).amax((2, 3)),
    "smallest of booleans": lambda m, x: (x < 9).amin((2, 3)),
}


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("name", INTEGERS)
def test_integers_stay_integers(name, recorded, batch_of):
    model = Function(INTEGERS[name]).double()
    with torch.set_grad_enabled(recorded):
        found, expected = (
            forward(model, batch_of(SIZES), SIZES).output for forward in (forward_masked, forward_singly)
        )
    assert found.dtype == expected.dtype
    assert torch.equal(found[(..., *map(slice, expected.shape[2:]))], expected)


@pytest.mark.parametrize(
    "sizes",
    [torch.tensor([12, 20]), [12, 20, 14], None, [(float("nan"), 20), (17, 9), (14, 14)], ["ab", "cd", "ef"],
     torch.ones(3, 2, 1), [(float("inf"), 20), (17, 9), (14, 14)]],
)  # fmt: skip
def test_what_are_no_sizes(sizes, batch_of):
    with pytest.raises(PaddingError, match=r"sizes must be \(N, 2\)|whole numbers"):
        forward_masked(nn.Identity(), batch_of(SIZES), sizes)


@pytest.mark.parametrize("images", [torch.ones(0, 3, 5, 5), [1, 2], None])
def test_what_are_no_images(images):
    with pytest.raises(PaddingError, match=r"images must be \(N, C, H, W\)"):
        forward_masked(nn.Identity(), images, [])


def test_a_view_that_grows_is_found_in_inference_mode(batch_of):
    model = ViewGrown().double()
    convert_padding(model, "partial")
    with torch.inference_mode(), pytest.raises(PaddingError, match="view was changed in place"):
        forward_masked(model, batch_of(SIZES), SIZES, rule="grow")


ONE_IMAGE = {
    "its maps are whole behind it": lambda m, x: (m.first.diag() @ x.flatten(2)).reshape(x.shape),
    "padded": lambda m, x: F.pad(x, (1, 0, 2, 1)).flip(2),
    "shift": lambda m, x: F.adaptive_avg_pool2d(x, 5).roll(x.shape[2], 2),
}


@pytest.mark.parametrize("canvas", [(9, 7), (10, 7), (9, 8), (11, 10)])
@pytest.mark.parametrize("name", ONE_IMAGE)
@torch.no_grad()
def test_one_image(name, canvas, batch_of, worst_difference):
    model = Function(ONE_IMAGE[name]).double()
    assert worst_difference(model, batch_of([(9, 7)], canvas=canvas), [(9, 7)]) < 1e-12


PLAIN = {
    "a constant of the images' type": lambda m, x: x * m.first.float().type_as(x).view(1, -1, 1, 1),
    "a constant to the images' type": lambda m, x: x * m.first.float().to(x).view(1, -1, 1, 1),
    "channels by a list": lambda m, x: x[:, [2, 1, 0]],
    "channels by a tensor": lambda m, x: x[:, torch.tensor([2, 1, 0], device=x.device)],
    "channels selected": lambda m, x: x.index_select(1, torch.tensor([2, 1, 0], device=x.device)),
    "rows by a list of their size": lambda m, x: x[:, :, list(range(x.shape[2] - 1, -1, -1))],
    "constants of one's own": lambda m, x: x + x.new_full((1, 4, 1, 1), 2) + x.new_tensor(3.0),
    "axes by name": lambda m, x: torch.transpose(input=x.transpose(2, dim1=3), dim0=2, dim1=3).swapaxes(2, axis1=3),
    "a constant matrix first": lambda m, x: (m.first.diag() @ x.flatten(2)).mean(2),
}


@pytest.mark.parametrize("name", PLAIN)
@torch.no_grad()
def test_plain_code_is_followed(name, batch_of, worst_difference):
    model = Function(PLAIN[name]).double()
    assert worst_difference(model, batch_of(SIZES), SIZES) < 1e-12


@pytest.mark.parametrize("options", [{"rule": "grow"}, {"check": False}])
@torch.no_grad()
def test_without_twins_whole_maps_are_padded_as_told(options, batch_of):
    model = Function(lambda m, x: F.pad(F.adaptive_avg_pool2d(x, 1), (1, 2))).double()
    model.stem = nn.Conv2d(3, 4, 1).double()
    found = forward_masked(model, batch_of(SIZES), SIZES, **options).output
    torch.testing.assert_close(found, forward_singly(model, batch_of(SIZES), SIZES).output, rtol=1e-12, atol=1e-12)


@torch.no_grad()
def test_sections_that_are_profiled(batch_of, worst_difference):
    def function(m, x):
        with torch.autograd.profiler.record_function("section"):
            return 2 * x

    assert worst_difference(Function(function).double(), batch_of(SIZES), SIZES) < 1e-12


def test_a_network_that_talks_to_other_processes(batch_of, tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        model = nn.parallel.DistributedDataParallel(nn.Conv2d(3, 4, 3).double())
        with pytest.raises(PaddingError, match=r"use model\.module"):
            forward_masked(model, batch_of(SIZES), SIZES)
        assert forward_masked(model.module, batch_of(SIZES), SIZES).output.isfinite().all()
    finally:
        torch.distributed.destroy_process_group()
