"""The decoder of DeepLabV3+ (Chen et al. 2018)."""

import torch
from torch import Tensor, nn

from networks.head_layers import convolution_norm_relu, upsample


class Decoder(nn.Module):
    """Joins the upsampled context with a narrow skip connection and classifies every position of the skip's map.

    Args:
        skip_in_channels: channels of the encoder's skip map.
        skip_channels: what a plain 1x1 convolution narrows them to.
        context_channels: channels of the ASPP's map, and of both 3x3 convolutions.
        num_classes: number of logits.
    """

    def __init__(self, skip_in_channels: int, skip_channels: int, context_channels: int, num_classes: int) -> None:
        super().__init__()
        self.skip = nn.Conv2d(skip_in_channels, skip_channels, 1, bias=False)
        self.refine = nn.Sequential(
            convolution_norm_relu(skip_channels + context_channels, context_channels, 3),
            convolution_norm_relu(context_channels, context_channels, 3),
        )
        self.classifier = nn.Conv2d(context_channels, num_classes, 1, bias=False)

    def forward(self, context: Tensor, skip: Tensor) -> Tensor:
        """Logits (N, num_classes, h, w) of a context map of any size and a skip map (N, skip_in_channels, h, w)."""
        joined = torch.cat([self.skip(skip), upsample(context, skip.shape[2:])], 1)
        return self.classifier(self.refine(joined))
