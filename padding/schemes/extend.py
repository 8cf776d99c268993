"""Schemes that continue the map with its own values.

`reflect`, `replicate` and `circular` equal torch's `padding_mode`, `symmetric` equals numpy's; `earth` is circular
along columns and continues rows over the poles, for maps of longitude and latitude.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.errors import PaddingError
from padding.geometry import Geometry, pad_argument
from padding.registry import register_scheme
from padding.schemes.circular_pools import CIRCULAR
from padding.schemes.convolve import unpadded
from padding.schemes.ring import Fill, alike, check_room, convolve_filled, register_fill
from padding.tracing import may_compare


def _nearest(near: Tensor, amount: int, measured: None) -> Tensor:
    return near[..., :amount]


def _edge(near: Tensor, amount: int, measured: None) -> Tensor:
    return near.expand(*near.shape[:-1], amount)


def _behind_the_edge(near: Tensor, amount: int, measured: None) -> Tensor:
    return near[..., 1 : amount + 1]


def _amount(amount: int, size: int) -> int:
    return amount


_REFLECT = alike(Fill("reflect", _behind_the_edge, lambda amount, size: amount + 1))
_REPLICATE = alike(Fill("replicate", _edge))
_CIRCULAR = alike(Fill("circular", _nearest, _amount, opposite=True))


@register_scheme("reflect", survives_fusing=True, fills=_REFLECT)
def reflect(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Mirrors the input at its border, without repeating the border itself."""
    check_room(input, geometry.pads, _REFLECT(input.dim() - 2))
    if _must_be_deterministic(input):
        return convolve_filled(_REFLECT, input, weight, bias, geometry)
    return _extended(input, weight, bias, geometry, "reflect")


@register_scheme("replicate", survives_fusing=True, fills=_REPLICATE)
def replicate(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Repeats the values at the border."""
    if torch.compiler.is_dynamo_compiling() or _must_be_deterministic(input):
        # inductor (torch 2.14) cannot compile the backward pass of replication_pad2d.
        return convolve_filled(_REPLICATE, input, weight, bias, geometry)
    return _extended(input, weight, bias, geometry, "replicate")


@register_scheme("circular", survives_fusing=True, pools=CIRCULAR, fills=_CIRCULAR)
def circular(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Continues the input with the values at the opposite border."""
    check_room(input, geometry.pads, _CIRCULAR(input.dim() - 2))
    return _extended(input, weight, bias, geometry, "circular")


# Repeats the border, as numpy's symmetric. Its backward pass is deterministic on CUDA, unlike those of torch's modes.
register_fill("symmetric", reach=_amount)(_nearest)


def _check_globe(input: Tensor) -> None:
    if input.dim() != 4 or (may_compare(input.shape) and input.shape[-1] % 2):
        raise PaddingError(
            "earth padding takes 2-d maps of an even number of columns, half of them on either side of a pole; this "
            f"map is {'x'.join(map(str, input.shape[2:]))}: give it an even width, or use 'replicate,circular'"
        )


def _over_the_pole(near: Tensor, amount: int, measured: None) -> Tensor:
    half = near.shape[-2] // 2
    # Not by `roll`: a trace would record its shift as a constant, wrong for maps of other widths.
    return torch.cat([near[..., half:, :amount], near[..., :half, :amount]], -2)


_GLOBE = Fill("earth", _over_the_pole, _amount), Fill("earth", _nearest, _amount, opposite=True)


@register_scheme("earth", survives_fusing=True)
def earth(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Pads rows by x[-j, w] = x[j - 1, (w + W / 2) mod W], beyond the poles, and columns circularly."""
    _check_globe(input)
    return convolve_filled(lambda axes: _GLOBE, input, weight, bias, geometry)


def _must_be_deterministic(input: Tensor) -> bool:
    # torch's reflect and replicate raise an error then, because on CUDA their backward passes add in any order.
    return input.is_cuda and torch.are_deterministic_algorithms_enabled()


def _extended(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, mode: str) -> Tensor:
    return unpadded(F.pad(input, pad_argument(geometry.pads), mode=mode), weight, bias, geometry)
