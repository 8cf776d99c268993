"""Registers timm's convolutions, which compute their weights or their padding at each call.

`convert_padding` refuses a padded convolution that is not registered and has a forward of its own; register it here, or
from outside with `register_convolution`.
"""

from typing import Any

import torch.nn.functional as F
from timm.layers import (
    BlurPool2d,
    CondConv2d,
    Conv2dSame,
    ScaledStdConv2d,
    ScaledStdConv2dSame,
    StdConv2d,
    StdConv2dSame,
)
from torch import Tensor

from padding.conversion.layers import Layer, Output, own_padding, plain
from padding.geometry import SAME_DYNAMIC, AnyPads, Pads
from padding.registry import register_convolution


def _always_dynamic(layer: Any) -> AnyPads:
    return SAME_DYNAMIC  # not `layer.padding`, which is (0, 0): Conv2dSame pads in its forward


def _dynamic_if_same(layer: Any) -> AnyPads:
    return SAME_DYNAMIC if layer.same_pad else own_padding(layer)


def _dynamic_if_conditional(layer: Any) -> AnyPads:
    return SAME_DYNAMIC if layer.dynamic_padding else own_padding(layer)


def _zero_mode_padding(layer: Any) -> Pads:
    if layer.pad_mode != "constant":
        return ((0, 0), (0, 0))
    left, right, top, bottom = layer.padding
    return ((top, bottom), (left, right))


register_convolution(Conv2dSame, padding=_always_dynamic, own_weight=True)(plain)


@register_convolution(StdConv2d, padding=own_padding)
@register_convolution(StdConv2dSame, padding=_dynamic_if_same)
def _standardised(layer: Layer, input: Tensor, mask_in: Tensor | None = None) -> Output:
    return layer.convolve(input, _standardise(layer.weight, layer.eps), layer.bias, mask=mask_in)


@register_convolution(ScaledStdConv2d, padding=own_padding)
@register_convolution(ScaledStdConv2dSame, padding=_dynamic_if_same)
def _standardised_and_scaled(layer: Layer, input: Tensor, mask_in: Tensor | None = None) -> Output:
    scale = (layer.gain * layer.scale).flatten()
    return layer.convolve(input, _standardise(layer.weight, layer.eps, scale), layer.bias, mask=mask_in)


def _standardise(weight: Tensor, eps: float, scale: Tensor | None = None) -> Tensor:
    """Standardises every filter to mean 0 and variance 1, by batch norm with the filters as channels.

    Makes the same call as timm, so that the weights are bit for bit equal.
    """
    filters = weight.reshape(1, weight.shape[0], -1)
    return F.batch_norm(filters, None, None, weight=scale, training=True, momentum=0.0, eps=eps).reshape_as(weight)


@register_convolution(CondConv2d, padding=_dynamic_if_conditional)
def _conditional(layer: Layer, input: Tensor, routing_weights: Tensor) -> Tensor:
    """Mixes the experts' filters per sample, and convolves the batch as groups of one grouped convolution."""
    batch, _, *sizes = input.shape
    filters = batch * layer.out_channels
    weight = (routing_weights @ layer.weight).view(filters, layer.in_channels // layer.groups, *layer.kernel_size)
    bias = None if layer.bias is None else (routing_weights @ layer.bias).view(filters)
    output = layer.convolve(input.reshape(1, -1, *sizes), weight, bias, groups=batch * layer.groups)
    return output.reshape(batch, layer.out_channels, *output.shape[2:])


@register_convolution(BlurPool2d, padding=_zero_mode_padding)
def _blurred(layer: Layer, input: Tensor, mask_in: Tensor | None = None) -> Output:
    channels = input.shape[1] if layer.channels is None else layer.channels
    kernel = layer.filt.expand(channels, 1, layer.filt_size, layer.filt_size)
    return layer.convolve(
        input, kernel, None, stride=(layer.stride,) * 2, dilation=(1, 1), groups=channels, mask=mask_in
    )
