"""DeepLabV3+ on any of timm's encoders: section 4.2 of Partial Convolution based Padding (Liu et al. 2018).

Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, https://arxiv.org/abs/1802.02611

The head follows the segmentation code that the paper's authors published later,
https://github.com/NVIDIA/semantic-segmentation: no bias in any convolution, no dropout, bilinear upsampling with
aligned corners throughout.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from timm.models.resnet import BasicBlock, Bottleneck
from torch import Tensor, distributed, nn
from torch.nn.functional import batch_norm, interpolate

from networks.create import NetworkError, PretrainedError, create_network

ATROUS_RATES = {8: (12, 24, 36), 16: (6, 12, 18)}
"""Dilations of the ASPP by output stride (Chen et al. 2018), equal distances in image pixels."""

SKIP_STRIDE = 4
"""Stride of the feature map that the decoder takes as its skip connection (ResNet's layer1)."""

SKIP_STRIDES = {"wide_resnet38": 2}
"""Stride of the skip connection of encoders that differ from SKIP_STRIDE: WideResNet38's mod2."""

_RESERVED = ("features_only", "output_stride", "out_indices")


class DeepLabV3Plus(nn.Module):
    """Encoder, atrous spatial pyramid pooling (ASPP), and decoder with one skip connection.

    Args:
        encoder: timm name; resnet50 and wide_resnet38 are the paper's. Random weights; see `load_encoder_weights`.
        num_classes: number of logits.
        output_stride: output stride of the encoder, 8 (the paper's) or 16.
        head_channels: output channels of the ASPP's branches and of the decoder's convolutions.
        skip_channels: channels of the skip connection after its 1x1 convolution.
        atrous_rates: dilations of the ASPP; None for 12, 24, 36 at output stride 8 and 6, 12, 18 at 16.
        encoder_args: further arguments of timm.create_model for the encoder.

    Raises:
        NetworkError: the output stride is neither 8 nor 16, channels or rates are below 1, timm cannot make the
            encoder at that stride, or the encoder lacks the skip connection's map.
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

    @property
    def dilation(self) -> str:
        """Strides and dilations of all convolutions as a short text, since the weights' shapes do not show them."""
        convolutions = [(name, m.stride, m.dilation) for name, m in self.named_modules() if isinstance(m, nn.Conv2d)]
        widest = max(max(dilation) for _, _, dilation in convolutions)
        digest = hashlib.sha1(repr(convolutions).encode()).hexdigest()[:8]
        return f"output stride {self.output_stride}, dilation up to {widest} ({digest})"

    def forward(self, images: Tensor) -> Tensor:
        """Computes logits (N, num_classes, H, W) of normalised images (N, 3, H, W) of any size."""
        features = self.encoder(images)
        context = self.aspp(features[-1])
        logits = self.decoder(context, features[self.skip_index])
        return upsample(logits, images.shape[2:])


def _refuse_below_1(**settings: int | Sequence[int] | None) -> None:
    for name, value in settings.items():
        values = [1 if value is None else value] if not isinstance(value, Sequence) else value
        if not values or min(values) < 1:
            raise NetworkError(f"{name} is {value}; it must be 1 or more")


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: parallel branches on one feature map, joined by a plain 1x1 convolution.

    Each branch has `channels` outputs. In the order of concatenation: global average pooling, 1x1, 3x3 at each
    dilation.
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
        """Computes maps (N, channels, H, W) from maps (N, in_channels, H, W)."""
        image = self.image(maps).expand(-1, -1, *maps.shape[2:])  # equals bilinear upsampling of a single value
        return self.projection(torch.cat([image, *(branch(maps) for branch in self.branches)], 1))


class ImageBranch(nn.Module):
    """Global average pool, 1x1 convolution, batch norm, ReLU: one vector per image.

    In training the batch norm gets one value per image and channel. With a single image the variance would be 0, and
    torch raises an error. In that case (batch 1 on one process, or without synchronised batch norm) the running
    statistics are used instead, and are not updated.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Computes vectors (N, channels, 1, 1) from maps (N, in_channels, H, W)."""
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
    """The number of values per channel in the batch statistics of `norm`, over all processes that it synchronises.

    Assumes that every process has as many images as this one. Only the value 1 matters to the caller, so all processes
    decide in the same way, and none waits in a collective that another does not enter.
    """
    values = pooled.shape[0]
    # Checked at each call, because convert_sync_batchnorm may replace the layer after construction.
    if isinstance(norm, nn.SyncBatchNorm) and distributed.is_available() and distributed.is_initialized():
        values *= distributed.get_world_size(norm.process_group)
    return values


class Decoder(nn.Module):
    """Joins the upsampled context with a narrow skip connection and classifies every position of the skip map.

    A plain 1x1 convolution reduces the encoder's skip map to `skip_channels`; both 3x3 convolutions have
    `context_channels` outputs, as the ASPP has.
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
        """Computes logits (N, num_classes, h, w) from a context map of any size and a skip map (N, C, h, w)."""
        joined = torch.cat([self.skip(skip), upsample(context, skip.shape[2:])], 1)
        return self.classifier(self.refine(joined))


def convolution_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Makes a convolution without bias that keeps the map's size, batch norm, and ReLU."""
    padding = dilation * (kernel_size // 2)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=padding, dilation=dilation, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolates maps (N, C, h, w) bilinearly to `size` (H, W), with aligned centres of the corner pixels."""
    return interpolate(maps, size, mode="bilinear", align_corners=True)


def initialise_head(head: nn.Module) -> None:
    """Initialises all convolutions by Kaiming normal with fan in (He et al. 2015)."""
    for module in head.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")


def create_encoder(name: str, output_stride: int, arguments: dict[str, Any]) -> nn.Module:
    """Creates timm's feature network `name`: images (N, 3, H, W) to a list of maps, the last at `output_stride`.

    Raises:
        NetworkError: timm has no such network, or cannot make it an encoder at this output stride.
    """
    taken = [key for key in _RESERVED if key in arguments]
    if taken:
        raise NetworkError(f"encoder_args must not contain {', '.join(taken)}: DeepLabV3Plus sets them; leave them out")
    where = f"encoder '{name}' at output_stride {output_stride}"
    hint = "choose one that takes timm's features_only and output_stride, such as resnet50 or wide_resnet38"
    try:
        encoder = create_network(name, 0, features_only=True, output_stride=output_stride, **arguments)
    except PretrainedError:
        raise
    except NetworkError as error:
        raise NetworkError(f"{where}: {error}; {hint}") from error
    reached = encoder.feature_info.reduction()[-1]
    if reached != output_stride:
        raise NetworkError(f"{where}: its last feature has stride {reached}; {hint}")
    dilate_whole_stages(encoder)
    return encoder


def find_skip(name: str, encoder: nn.Module) -> int:
    """Finds the index of the decoder's skip connection among the encoder's maps.

    Raises:
        NetworkError: the encoder has no map of that stride.
    """
    wanted = SKIP_STRIDES.get(name, SKIP_STRIDE)
    strides = encoder.feature_info.reduction()
    if wanted not in strides:
        raise NetworkError(
            f"encoder '{name}' has features of strides {', '.join(map(str, strides))}, none of stride {wanted} for the "
            "decoder's skip connection; choose another encoder"
        )
    return len(strides) - 1 - strides[::-1].index(wanted)  # the deepest of that stride


def dilate_whole_stages(network: nn.Module) -> None:
    """Gives every 3x3 convolution of a dilated stage the stage's dilation, in place.

    timm's `output_stride` leaves the first block of each such stage at the dilation of the previous stage: at output
    stride 8 layer3 starts with 1 and layer4 with 2, but the paper's encoder has 2 and 4 throughout. Weights do not
    change.

    Changes only timm's BasicBlock and Bottleneck (resnet, resnext, wide_resnet, seresnet, ... and this package's small
    ResNets), with their 3x3 projections. ResNeSt, SKNet, RegNet and the EfficientNets have other blocks and keep timm's
    dilations; so do anti-aliasing filters.
    """
    for block in network.modules():
        if type(block) in (BasicBlock, Bottleneck):
            for convolution in (block.conv1, block.conv2, *(block.downsample or ())):
                if isinstance(convolution, nn.Conv2d) and max(convolution.kernel_size) > 1:
                    _dilate(convolution, block.dilation)


def _dilate(convolution: nn.Conv2d, dilation: int) -> None:
    convolution.dilation = (dilation, dilation)
    convolution.padding = tuple(dilation * (kernel // 2) for kernel in convolution.kernel_size)
