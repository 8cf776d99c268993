"""Padding schemes for convolutions in any model.

Partial Convolution based Padding, Liu et al. 2018, https://arxiv.org/abs/1811.11718, and zero, reflect, replicate and
circular padding to compare it with.

>>> import timm
>>> print(convert_padding(timm.create_model("resnet18"), "partial"))
padding 'partial': 17 Conv2d converted
left as they are: 1 MaxPool2d
  left: maxpool: a max pool pads with -inf, which is never the maximum
"""

from torch import nn

from padding import schemes, user_file  # noqa: F401  (registers them)
from padding.conversion import timm_convolutions  # noqa: F401  (registers them)
from padding.conversion.convert import convert_padding, padded
from padding.conversion.layers import layer_class
from padding.conversion.report import ConversionReport
from padding.errors import PaddingError, UnfollowableError
from padding.functional import conv1d, conv2d, conv3d
from padding.geometry import Geometry
from padding.masked import Masked, forward_masked, forward_singly
from padding.ratio import border_ratio
from padding.registry import available_schemes, register_convolution, register_scheme

ZeroConv1d, ZeroConv2d, ZeroConv3d = nn.Conv1d, nn.Conv2d, nn.Conv3d
PartialConv1d = layer_class(nn.Conv1d, "partial")
PartialConv2d = layer_class(nn.Conv2d, "partial")
PartialConv3d = layer_class(nn.Conv3d, "partial")
ReflectConv1d = layer_class(nn.Conv1d, "reflect")
ReflectConv2d = layer_class(nn.Conv2d, "reflect")
ReflectConv3d = layer_class(nn.Conv3d, "reflect")
ReplicateConv1d = layer_class(nn.Conv1d, "replicate")
ReplicateConv2d = layer_class(nn.Conv2d, "replicate")
ReplicateConv3d = layer_class(nn.Conv3d, "replicate")
CircularConv1d = layer_class(nn.Conv1d, "circular")
CircularConv2d = layer_class(nn.Conv2d, "circular")
CircularConv3d = layer_class(nn.Conv3d, "circular")

__all__ = [
    "CircularConv1d",
    "CircularConv2d",
    "CircularConv3d",
    "ConversionReport",
    "Geometry",
    "Masked",
    "PaddingError",
    "PartialConv1d",
    "PartialConv2d",
    "PartialConv3d",
    "ReflectConv1d",
    "ReflectConv2d",
    "ReflectConv3d",
    "ReplicateConv1d",
    "ReplicateConv2d",
    "ReplicateConv3d",
    "UnfollowableError",
    "ZeroConv1d",
    "ZeroConv2d",
    "ZeroConv3d",
    "available_schemes",
    "border_ratio",
    "conv1d",
    "conv2d",
    "conv3d",
    "convert_padding",
    "forward_masked",
    "forward_singly",
    "layer_class",
    "padded",
    "register_convolution",
    "register_scheme",
]
