"""Even padding against windows that are laid out one by one, and against what is known of ResNets."""

from itertools import product

import pytest
import timm
import torch

from studies.geometry.windows import nearest_even, window, windows_of


@pytest.mark.parametrize(("kernel", "stride", "dilation"), [*product((1, 2, 3, 7), (1, 2, 3), (1, 2))])
def test_what_is_read_is_what_windows_cover(kernel, stride, dilation):
    for size, pads in product((8, 9, 13), ((0, 0), (1, 1), (0, 1), (2, 3))):
        outputs = (size + sum(pads) - dilation * (kernel - 1) - 1) // stride + 1
        if outputs < 1:
            continue
        ends = [(o * stride, o * stride + dilation * (kernel - 1) + 1) for o in range(outputs)]
        found = window("", "both", size, kernel, stride, dilation, pads, outputs)
        # From the first position of a window to its last: what lies between, or before a later window, was passed over.
        assert found.read_before == min(pads[0], max(end for _, end in ends))
        assert found.read_after == max(max(0, end - pads[0] - size) for _, end in ends)
        remainder = (size + sum(pads) - dilation * (kernel - 1) - 1) % stride
        assert found.read_after == max(0, pads[1] - remainder), "the closed form of the paper"


def test_resnets_are_uneven_at_224_and_even_at_225():
    network = timm.create_model("resnet18").eval()
    uneven = {each.layer: (each.read_before, each.read_after) for each in windows_of(network, 224) if not each.even}
    assert uneven == {
        "conv1": (3, 2),
        "maxpool": (1, 0),
        **{f"layer{stage}.0.conv1": (1, 0) for stage in (2, 3, 4)},
    }
    assert all(each.even for each in windows_of(network, 225))
    assert nearest_even(network, 224) == [193, 225]
    assert nearest_even(network, 225) == [225, 225]
    # Shapes alone were computed.
    assert network.conv1.weight.device == torch.device("cpu")


def test_tensorflow_s_same_padding_is_uneven_at_even_sizes():
    network = timm.create_model("tf_efficientnet_lite0").eval()
    stem = windows_of(network, 224)[0]
    assert (stem.before, stem.after, stem.read_before, stem.read_after) == (0, 1, 0, 1)
    assert nearest_even(network, 224) == [193, 225]
