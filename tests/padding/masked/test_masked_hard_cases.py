"""What a network may do that a canvas of several images takes otherwise: followed as alone, or refused by name."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from padding import PaddingError, forward_masked

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
