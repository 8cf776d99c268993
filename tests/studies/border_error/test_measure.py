"""Border errors where they are known: white noise, images that continue as a scheme does, and position by position."""

import numpy as np
import pytest
import torch
from timm.layers import GroupNormAct, SqueezeExcite
from torch import nn

from evaluation.context import Context, cut, local_means
from evaluation.rings import RingSums
from networks.create import create_network
from studies.border_error.measure import BorderErrors, total_stride
from studies.border_error.record import TRUE


class Average(nn.Sequential):
    """A mean of nine pixels, and nothing else."""

    def __init__(self):
        super().__init__(nn.Conv2d(3, 3, 3, padding=1, groups=3, bias=False))
        nn.init.constant_(self[0].weight, 1 / 9)


@pytest.mark.parametrize("batches", [1, 2])
def test_it_is_what_loops_over_positions_give(source, batches):
    size, margin = 8, 4
    errors = BorderErrors(source(Average(), size), size, margin, ["reflect"])
    images = torch.randn(6, 3, size + 2 * margin, size + 2 * margin) + 3
    for batch in images.chunk(batches):
        errors.add(batch)
    small = np.pad(images.numpy()[:, :, 4:12, 4:12], ((0, 0), (0, 0), (1, 1), (1, 1)), "reflect")
    off, about = np.zeros(4), [{} for _ in range(4)]
    for row in range(size):
        for column in range(size):
            distance = min(row, column, size - 1 - row, size - 1 - column)
            true = images.numpy()[:, :, row + 3 : row + 6, column + 3 : column + 6].mean((2, 3))
            mine = small[:, :, row : row + 3, column : column + 3].mean((2, 3))
            off[distance] += ((mine - true) ** 2).sum()
            for channel in range(3):
                about[distance].setdefault(channel, []).extend(true[:, channel])
    spread = [sum(len(each) * np.var(each) for each in channels.values()) for channels in about]
    found = errors.errors()["reflect"]
    assert found.whole[0] == pytest.approx(off / spread, rel=1e-4)
    assert found.whole == found.alone, "it is the first layer"


def test_of_an_image_that_repeats_itself_circular_padding_is_the_true_context(source):
    """Of the whole network, strides included; other schemes are off."""
    errors = BorderErrors(source(), 32, 96, ["circular", "replicate"])
    errors.add(torch.randn(2, 3, 32, 32).repeat(1, 1, 7, 7))
    found = errors.errors()
    assert max(max(each) for each in found["circular"].whole + found["circular"].alone) < 1e-6
    assert min(each[0] for each in found["replicate"].whole) > 0.01
    assert errors.decisions(None)["circular"].predicted.tolist() == errors.decisions(None)[TRUE].predicted.tolist()
    assert max(errors.floor) < 1e-6, "the margin exceeds the reach of every layer"


@pytest.mark.parametrize("size", [32, 33, 30])
def test_the_maps_lie_on_each_other_at_every_size(source, size):
    """One layer alone errs at the border only: the margin is a multiple of the stride, not of a quotient of sides."""
    made = source(size=size)
    margin = 3 * total_stride(made, size)
    errors = BorderErrors(made, size, margin, ["zero"])
    errors.add(torch.randn(2, 3, size + 2 * margin, size + 2 * margin))
    assert margin == 3 * 8
    assert max(error for layer in errors.errors()["zero"].alone for error in layer[1:]) < 1e-9


def test_one_position_tells_no_stride(source):
    assert total_stride(source(create_network("resnet10t", 10)), 16) == 32


def test_alone_a_layer_has_true_input(source):
    """The second of two averages errs by itself at the border only, and in the whole network one ring deeper."""
    network = nn.Sequential(Average(), nn.Conv2d(3, 3, 3, padding=1, groups=3))
    errors = BorderErrors(source(network, 16), 16, 8, ["zero"])
    errors.add(torch.randn(4, 3, 32, 32))
    found = errors.errors()["zero"]
    assert found.whole[1][1] > 1e-4 > found.alone[1][1]
    assert found.alone[1][0] > 0.01


def test_where_true_maps_do_not_vary_there_is_no_error(source):
    """One image at rings of one position: the middle of an odd map, and a map of one position."""
    errors = BorderErrors(source(Average(), 5), 5, 4, ["zero"])
    errors.add(torch.randn(1, 3, 13, 13) + 3)
    found = errors.errors()["zero"].whole[0]
    assert np.isnan(found).tolist() == [False, False, True]
    maps = torch.full((1, 8, 1, 1), 0.1)
    sums = RingSums.of(maps)
    sums.add(maps)
    assert np.isnan(sums.spread.tolist()).all()


def test_a_margin_below_the_reach_leaves_a_floor(source):
    errors = BorderErrors(source(), 32, 8, ["zero"])
    errors.add(torch.randn(2, 3, 48, 48))
    assert errors.floor[0] < 1e-9 < 1e-4 < errors.floor[-1]


def test_gates_see_the_small_image_alone():
    network = nn.Sequential(SqueezeExcite(8)).eval()
    images = torch.randn(2, 8, 12, 12)
    gate = network[0](cut(images, (6, 6))) / cut(images, (6, 6))
    with local_means(network, Context((12, 12), 3)):
        assert network(images).allclose(images * gate.mean((2, 3), keepdim=True), atol=1e-5)
    assert not network(images).allclose(images * gate.mean((2, 3), keepdim=True), atol=1e-5)


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 8), nn.GroupNorm(4, 8, affine=False), GroupNormAct(8, 2)])
def test_group_norms_see_the_small_image_alone(norm):
    images = torch.randn(2, 8, 12, 12) * torch.linspace(0.1, 3, 12)
    with torch.no_grad():
        for each in norm.parameters():
            each.uniform_(0.5, 2)
        alone = norm(cut(images, (6, 6)))
        with local_means(norm, Context((24, 24), 6)):
            assert cut(norm(images), (6, 6)).allclose(alone, atol=1e-5)
        assert not cut(norm(images), (6, 6)).allclose(alone, atol=1e-5)


def test_probabilities_are_those_of_the_right_class(source):
    errors = BorderErrors(source(), 32, 32, ["zero"])
    images = torch.randn(3, 3, 96, 96)
    errors.add(images)
    found = errors.decisions([1, 2, 3])["zero"]
    with torch.no_grad():
        wanted = source().network(cut(images, (32, 32))).softmax(1)[[0, 1, 2], [1, 2, 3]]
    assert found.probability.tolist() == pytest.approx(wanted.tolist(), rel=1e-4)
