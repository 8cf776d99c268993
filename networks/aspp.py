"""Atrous spatial pyramid pooling with an image branch (Chen et al. 2017 and 2018, DeepLabV3 and V3+)."""

import torch
from torch import Tensor, distributed, nn
from torch.nn.functional import batch_norm

from networks.head_layers import convolution_norm_relu


class ASPP(nn.Module):
    """Five looks at the same map, joined by a plain 1x1 convolution.

    The branches, in the order of concatenation: the pooled image, 1x1, 3x3 at each dilation.

    Args:
        in_channels: channels of the encoder's last map.
        channels: outputs of each branch and of the whole.
        dilations: of the 3x3 convolutions.
    """

    def __init__(self, in_channels: int, channels: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.image = ImageBranch(in_channels, channels)
        self.branches = nn.ModuleList(
            [
                convolution_norm_relu(in_channels, channels),
                *(convolution_norm_relu(in_channels, channels, 3, dilation) for dilation in dilations),
            ]
        )
        self.projection = nn.Conv2d((2 + len(dilations)) * channels, channels, 1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (N, channels, H, W) of maps (N, in_channels, H, W)."""
        image = self.image(maps).expand(-1, -1, *maps.shape[2:])  # what bilinear upsampling of one value gives
        return self.projection(torch.cat([image, *(branch(maps) for branch in self.branches)], 1))


class ImageBranch(nn.Module):
    """Global average pool, 1x1 convolution, batch norm, ReLU: one vector an image.

    A batch norm in training has as many values a channel here as there are images. Of a single one the variance is 0
    and the normalised value the bias, whatever the image: torch refuses it. Here the running statistics are used
    instead, and not updated, in that case alone (batch 1 on one process, or without synchronised batch norm).
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Vectors (N, channels, 1, 1) of maps (N, in_channels, H, W)."""
        pooled = self.convolution(maps.mean((2, 3), keepdim=True))
        norm = self.norm
        if norm.training and _values_per_channel(pooled, norm) == 1:
            normalised = batch_norm(
                pooled, norm.running_mean, norm.running_var, norm.weight, norm.bias, training=False, eps=norm.eps
            )
        else:
            normalised = norm(pooled)
        return self.activation(normalised)


def _values_per_channel(pooled: Tensor, norm: nn.Module) -> int:
    """How many values the statistics of `norm` would be made of, over all processes that it synchronises.

    The other processes' batches are not asked for: each has at least one image, and only 1 in all is of interest. So
    all processes decide alike, and none waits for statistics that another does not send.
    """
    values = pooled.shape[0]
    # Asked at each call: SyncBatchNorm.convert_sync_batchnorm replaces the layer and leaves this module.
    if isinstance(norm, nn.SyncBatchNorm) and distributed.is_available() and distributed.is_initialized():
        values *= distributed.get_world_size(norm.process_group)
    return values
