"""Responses to constants in closed form: an average of nine with zeros around it, and with constants continued."""

import pytest
import torch
from torch import nn

from padding import convert_padding
from studies.geometry.constant import inputs, of_maps, responses
from studies.geometry.record import BLACK, NOISE


def response(scheme: str) -> dict:
    network = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1, bias=False))
    nn.init.constant_(network[0].weight, 1 / 27)
    convert_padding(network, scheme)
    images = inputs(11, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), seed=0)
    variance = network(images)[2:, 0, 5, 5].var()
    return {each.input: each for each in responses(network, ["0"], images)} | {"variance": float(variance)}


def test_zeros_make_a_corner_four_ninths_and_an_edge_two_thirds():
    found = response("zero")
    ring = 4 * (2 * 5 / 9) ** 2 + 36 * (2 / 3) ** 2  # black is -2
    assert found[BLACK].by_distance[0] == pytest.approx(ring / 40 / found["variance"], rel=1e-5)
    assert found[BLACK].by_distance[1:] == pytest.approx([0] * 5, abs=1e-9)
    assert found[BLACK].left_right == 0, "the same zeros on both sides"
    assert found["mean"].by_distance == pytest.approx([0] * 6), "zeros are the mean of the data"


@pytest.mark.parametrize("scheme", ["reflect", "replicate", "circular", "partial"])
def test_what_continues_constants_has_no_response(scheme):
    """Partial padding does where the weights are equal: the ratio counts positions."""
    assert max(response(scheme)[BLACK].by_distance) < 1e-10


def test_a_planted_lean_is_seen():
    maps = torch.zeros(6, 2, 8, 8)
    maps[2:] = torch.randn(4, 2, 1, 1)
    maps[0, :, :, 0] = 3
    black = next(each for each in of_maps("layer", maps) if each.input == BLACK)
    deviation = float(maps[2:, :, 4, 4].double().var(0).mean() ** 0.5)
    assert black.left_right == pytest.approx(3 / deviation)
    assert black.top_bottom == 0
    noise = next(each for each in of_maps("layer", maps) if each.input == NOISE)
    assert noise.by_distance == pytest.approx([0] * 4, abs=1e-9)
