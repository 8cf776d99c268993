"""What a conversion makes of transposed convolutions and average pools, followed through a canvas of images."""

import pytest
import torch
from torch import nn

import padding
from padding import PaddingError, convert_padding, forward_masked, forward_singly

SIZES = torch.tensor([[20, 24], [13, 17], [16, 9]])


def canvas():
    images = torch.full((3, 3, 20, 24), float("nan"), dtype=torch.float64)
    for image, (height, width) in zip(images, SIZES.tolist(), strict=True):
        image[:, :height, :width] = torch.randn(3, height, width, dtype=torch.float64)
    return images


def test_each_image_is_as_if_alone():
    layer = nn.ConvTranspose2d(3, 3, 4, 2, 1)
    net = nn.Sequential(nn.Conv2d(3, 3, 3, 2, 1), layer, nn.Conv2d(3, 3, 3, padding=1)).double()
    report = convert_padding(net, "partial")
    assert report.converted == ["0", "1", "2"]
    images = canvas()
    together, alone = forward_masked(net, images, SIZES), forward_singly(net, images, SIZES)
    torch.testing.assert_close(together.output, alone.output)
    assert torch.equal(together.valid, alone.valid)


def test_a_mask_of_its_own_is_refused():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = padding.PartialConv2d(3, 3, 3, padding=1, dtype=torch.float64)

        def forward(self, x):
            return self.conv(x, torch.ones_like(x[:, :1]))[0]

    with pytest.raises(PaddingError, match=r"masked_convolution .*no rule for it.*forward_singly"):
        forward_masked(Own(), canvas(), SIZES)
