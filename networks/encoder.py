"""Encoders for segmentation: timm's feature networks at an output stride."""

from typing import Any

from torch import nn

from networks.create import NetworkError, create_network
from networks.resnet_dilation import dilate_whole_stages

SKIP_STRIDE = 4
"""Stride of the map that the decoder takes as its skip connection (ResNet's layer1)."""

SKIP_STRIDES = {"wide_resnet38": 2}
"""Encoders with another one: WideResNet38's mod2."""

_SET_HERE = ("features_only", "output_stride", "out_indices")


def create_encoder(name: str, output_stride: int, arguments: dict[str, Any]) -> nn.Module:
    """timm's feature network `name`: normalised images (N, 3, H, W) to a list of maps, the last at `output_stride`.

    Raises:
        NetworkError: if timm has no such network, or cannot make it an encoder at this output stride.
    """
    taken = [key for key in _SET_HERE if key in arguments]
    if taken:
        raise NetworkError(f"encoder_args must not contain {', '.join(taken)}: DeepLabV3Plus sets them; leave them out")
    where = f"encoder '{name}' at output_stride {output_stride}"
    hint = "choose one that takes timm's features_only and output_stride, such as resnet50 or wide_resnet38"
    try:
        encoder = create_network(name, 0, features_only=True, output_stride=output_stride, **arguments)
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
