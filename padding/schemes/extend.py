"""Schemes that continue the map with its own values.

`reflect`, `replicate` and `circular` equal torch's `padding_mode`, `symmetric` equals numpy's; `earth` is circular
along columns and continues rows over the poles, for maps of longitude and latitude.
"""

from functools import partial

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


_REFLECT = Fill("reflect", _behind_the_edge, lambda amount, size: amount + 1)
_REPLICATE = Fill("replicate", _edge)
_CIRCULAR = Fill("circular", _nearest, _amount, opposite=True)


def _extended(fill: Fill, input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """The convolution of the map that torch's own padding of this name extends."""
    fills = alike(fill)
    check_room(input, geometry.pads, fills(input.dim() - 2))
    # inductor (torch 2.14) cannot compile the backward pass of replication_pad2d.
    is_compiled = fill is _REPLICATE and torch.compiler.is_dynamo_compiling()
    if is_compiled or (fill is not _CIRCULAR and _must_be_deterministic(input)):
        return convolve_filled(fills, input, weight, bias, geometry)
    return unpadded(F.pad(input, pad_argument(geometry.pads), mode=fill.name), weight, bias, geometry)


for _fill in (_REFLECT, _REPLICATE, _CIRCULAR):
    _pools = CIRCULAR if _fill is _CIRCULAR else {}
    register_scheme(_fill.name, survives_fusing=True, fills=alike(_fill), pools=_pools)(partial(_extended, _fill))


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
