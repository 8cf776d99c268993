"""DeepLabV3+ on any of timm's encoders: section 4.2 of Partial Convolution based Padding (Liu et al. 2018).

The head follows the segmentation code that the paper's authors published later (NVIDIA/semantic-segmentation): no bias
in any convolution, no dropout, bilinear upsampling with aligned corners throughout.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from networks.aspp import ASPP
from networks.create import NetworkError
from networks.decoder import Decoder
from networks.encoder import create_encoder, find_skip
from networks.head_layers import initialise_head, upsample

ATROUS_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
"""Dilations of the ASPP for each output stride (Chen et al. 2018): the same distance in the image."""


class DeepLabV3Plus(nn.Module):
    """Encoder, atrous spatial pyramid pooling, decoder with one skip connection.

    Args:
        encoder: timm name; resnet50 and wide_resnet38 are the paper's. Random weights; see `load_encoder_weights`.
        num_classes: number of logits.
        output_stride: of the encoder, 8 (the paper's) or 16.
        head_channels: outputs of the ASPP's branches and the decoder's convolutions.
        skip_channels: what the skip connection is narrowed to.
        atrous_rates: dilations of the ASPP; None: 12, 24, 36 at output stride 8 and 6, 12, 18 at 16.
        encoder_args: further arguments of timm.create_model for the encoder.

    Raises:
        NetworkError: for another output stride, channels or rates below 1, or an encoder that timm cannot make at that
            stride or that lacks the skip's map.
    """

    def __init__(
        self,
        encoder: str,
        num_classes: int,
        output_stride: int = 8,
        *,
        head_channels: int = 256,
        skip_channels: int = 48,
        atrous_rates: Sequence[int] | None = None,
        encoder_args: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if output_stride not in ATROUS_RATES:
            raise NetworkError(f"output_stride must be 8 or 16, not {output_stride}")
        _refuse_below_1(head_channels=head_channels, skip_channels=skip_channels, atrous_rates=atrous_rates)
        self.encoder_name, self.output_stride, self.num_classes = encoder, output_stride, num_classes
        self.encoder_args = dict(encoder_args or {})
        self.encoder = create_encoder(encoder, output_stride, self.encoder_args)
        self.skip_index = find_skip(encoder, self.encoder)
        channels = self.encoder.feature_info.channels()
        rates = tuple(ATROUS_RATES[output_stride] if atrous_rates is None else atrous_rates)
        self.aspp = ASPP(channels[-1], head_channels, rates)
        self.decoder = Decoder(channels[self.skip_index], skip_channels, head_channels, num_classes)
        for head in (self.aspp, self.decoder):
            initialise_head(head)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, num_classes, H, W) of normalised images (N, 3, H, W) of any size."""
        features = self.encoder(images)
        context = self.aspp(features[-1])
        logits = self.decoder(context, features[self.skip_index])
        return upsample(logits, images.shape[2:])


def _refuse_below_1(**settings: int | Sequence[int] | None) -> None:
    for name, value in settings.items():
        values = [1 if value is None else value] if not isinstance(value, Sequence) else value
        if not values or min(values) < 1:
            raise NetworkError(f"{name} is {value}; it must be 1 or more")
