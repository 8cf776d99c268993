"""Encoders of DeepLabV3+: timm's feature networks at an output stride, dilated as in the paper's encoder.

Encoder-Decoder with Atrous Separable Convolution for Semantic Image Segmentation, https://arxiv.org/abs/1802.02611
"""

from typing import Any

from timm.models.resnet import BasicBlock, Bottleneck
from torch import nn

from networks.create import NetworkError, PretrainedError, create_network

SKIP_STRIDE = 4
"""Stride of the feature map that the decoder takes as its skip connection (ResNet's layer1)."""

SKIP_STRIDES = {"wide_resnet38": 2}
"""Encoders whose skip connection has another stride: WideResNet38's mod2."""

_RESERVED = ("features_only", "output_stride", "out_indices")


def create_encoder(name: str, output_stride: int, arguments: dict[str, Any]) -> nn.Module:
    """timm's feature network `name`: normalised images (N, 3, H, W) to a list of maps, the last at `output_stride`.

    Raises:
        NetworkError: if timm has no such network, or cannot make it an encoder at this output stride.
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
    """The index of the decoder's skip connection among the encoder's maps.

    Raises:
        NetworkError: if the encoder has no map of that stride.
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

    timm's `output_stride` leaves the first block of each such stage at the dilation of the stage before: at output
    stride 8 layer3 starts with 1 and layer4 with 2, but the paper's encoder has 2 and 4 throughout. Weights do not
    change.

    Only timm's BasicBlock and Bottleneck are changed (resnet, resnext, wide_resnet, seresnet, ... and this package's
    small ResNets), with their 3x3 projections. ResNeSt, SKNet, RegNet and the EfficientNets have other blocks and keep
    timm's dilations; so do anti-aliasing filters.
    """
    for block in network.modules():
        if type(block) in (BasicBlock, Bottleneck):
            for convolution in (block.conv1, block.conv2, *(block.downsample or ())):
                if isinstance(convolution, nn.Conv2d) and max(convolution.kernel_size) > 1:
                    _dilate(convolution, block.dilation)


def _dilate(convolution: nn.Conv2d, dilation: int) -> None:
    convolution.dilation = (dilation, dilation)
    convolution.padding = tuple(dilation * (kernel // 2) for kernel in convolution.kernel_size)
