"""meanE, disR and tile mismatch of networks whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn

from padding import convert_padding
from records.errors import UserError
from studies.segmentation.overlaps import measure, nearer
from studies.segmentation.seams import BINS, EDGES, SHIFTS

SIDE = 16


def images(count=2, side=3 * SIDE):
    torch.manual_seed(0)
    return [torch.randn(3, side, side) for _ in range(count)]


def test_a_circular_network_sees_a_periodic_image_alike_in_every_patch():
    """A patch at another place of an image with the patch's period is the same patch, rolled."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 5, 3, padding=1)).double()
    periodic = [torch.randn(3, SIDE, SIDE).double().repeat(1, 3, 3)]
    with torch.no_grad():
        zero, _ = measure(network, periodic, 2, SIDE)
        convert_padding(network, "circular")
        found, count = measure(network, periodic, 2, SIDE)
    assert count == 1
    assert found["meanE"] == found["disR"] == [0]
    # Patches overlap by half, so no pixel lies deeper than a quarter of a side.
    assert found["apart"] == [0, 0, 0, None, None, None, None]
    assert found["squared"][:3] == pytest.approx([0] * 3, abs=1e-12)
    assert zero["meanE"][0] > 0 < zero["disR"][0]
    assert zero["apart"][0] > 0 == zero["apart"][2], "two 3x3 convolutions reach two pixels"


def test_an_average_under_zero_padding_is_a_third_lower_along_the_border():
    """Logits (m, -m), m the 3x3 mean of a constant 1: 1 inside, 2/3 at an edge, 4/9 in a corner."""
    mean = nn.Conv2d(3, 2, 3, padding=1, bias=False)
    with torch.no_grad():
        mean.weight[0], mean.weight[1] = 1 / 27, -1 / 27
        found, _ = measure(mean, [torch.ones(3, 2 * SIDE, 2 * SIDE)], 2, SIDE)
    # A pair shares SIDE x SIDE / 2 pixels; the border of one lies at the side of the other's inside, or along an edge
    # that both have. By hand, for the pair side by side: columns 0 and 7 of 8, rows 0 and 15 of 16.
    one, other = np.ones((SIDE, SIDE // 2)), np.ones((SIDE, SIDE // 2))
    one[[0, -1]], other[[0, -1]] = 2 / 3, 2 / 3
    one[:, -1], other[:, 0] = 2 / 3, 2 / 3
    one[[0, -1], -1], other[[0, -1], 0] = 4 / 9, 4 / 9
    ring = np.ones_like(one, bool)
    ring[1:-1, 1:-1] = False
    squares = ((one - other) ** 2)[ring].sum() / ((one**2 + other**2) / 2)[ring].sum()
    assert found["squared"][:3] == pytest.approx([squares, 0, 0])
    assert found["apart"][:3] == found["disR"] * 3 == [0] * 3, "2/3 is as positive as 1"


@pytest.mark.parametrize("stride", [1, 2])
def test_a_planted_position_bias_is_counted(stride):
    """Class 1 in the patch's left half: column c of the last patch is c + 0 to 3 strides in the others."""

    def network(patches):
        left = (torch.arange(SIDE) < SIDE // 2).float().expand(len(patches), SIDE, SIDE)
        return torch.stack([1 - left, left], 1)

    found, _ = measure(network, images(), stride, SIDE)
    columns = np.arange(SIDE - (SHIFTS - 1) * stride)
    share = np.mean([columns + shift * stride < SIDE // 2 for shift in range(SHIFTS)], 0)
    mixed = share[(share > 0) & (share < 1)]
    assert found["disR"][0] == pytest.approx(100 * len(mixed) / len(columns))
    entropy = -(mixed * np.log(mixed) + (1 - mixed) * np.log(1 - mixed)).sum() / len(columns)
    assert found["meanE"][0] == pytest.approx(entropy)
    # Of patches side by side a pixel is in the right half of one and the left of the other; of stacked ones, of none.
    assert found["apart"][:3] == [50] * 3


def test_the_distance_is_to_the_nearer_of_two_borders():
    where = [(row, column) for row in range(4) for column in range(8)]
    expected = [min(row, 3 - row, row + 4, 7 - row - 4, column, 7 - column) for row, column in where]
    assert nearer(8, 4, 0).flatten().tolist() == expected
    assert len(BINS) == len(EDGES) + 1


@pytest.mark.parametrize(
    ("shown", "stride", "side", "words"),
    [
        (49, 8, 24, "patches of 24 pixels, 4 a side and 8 apart, have no pixel in common; give a larger --tile-size"),
        (44, 1, 30, "for overlapping patches of 30: they need 45; give a smaller --tile-size"),
        (44, 1, 48, "for overlapping patches of 48: they need 72; give a smaller --tile-size"),
        # The smallest patches that have a pixel in common, of 49, reach over 97: no other size of them helps.
        *((96, 16, side, "of any size, 4 a side and 16 apart: they need 97; give larger images") for side in (None, 9)),
    ],
)
def test_what_helps_is_said_where_patches_do_not_fit(shown, stride, side, words):
    with pytest.raises(UserError) as raised:
        measure(None, images(1, shown), stride, side)
    assert words in str(raised.value)
    with pytest.raises(TypeError, match="not callable"):  # there is no network; the image is large enough
        measure(None, images(1, 97), 16, None)
