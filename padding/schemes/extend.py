"""Schemes that fill the border with values: reflect, replicate, circular, as `padding_mode` of torch's layers."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.errors import PaddingError
from padding.geometry import Geometry, pad_argument
from padding.registry import register_scheme
from padding.schemes.circular_pools import CIRCULAR
from padding.schemes.convolve import unpadded
from padding.tracing import is_traced


@register_scheme("reflect", survives_fusing=True)
def reflect(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Mirrors the input at its border, the border itself not repeated."""
    _check_room(input, geometry, "reflect", spare=1)
    return _extended(input, weight, bias, geometry, "reflect")


@register_scheme("replicate", survives_fusing=True)
def replicate(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Repeats the value at the border."""
    if torch.compiler.is_dynamo_compiling():
        # inductor (torch 2.14) cannot compile the backward pass of replication_pad2d.
        return unpadded(_edges_repeated(input, geometry), weight, bias, geometry)
    return _extended(input, weight, bias, geometry, "replicate")


def _edges_repeated(input: Tensor, geometry: Geometry) -> Tensor:
    for axis, (before, after) in enumerate(geometry.pads, start=2):
        ends = input.narrow(axis, 0, 1), input.narrow(axis, input.shape[axis] - 1, 1)
        first, last = (
            end.expand(*end.shape[:axis], amount, *end.shape[axis + 1 :])
            for end, amount in zip(ends, (before, after), strict=True)
        )
        input = torch.cat([first, input, last], axis)
    return input


@register_scheme("circular", survives_fusing=True, pools=CIRCULAR)
def circular(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Continues with the values at the opposite border."""
    _check_room(input, geometry, "circular", spare=0)
    return _extended(input, weight, bias, geometry, "circular")


def _extended(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, mode: str) -> Tensor:
    return unpadded(F.pad(input, pad_argument(geometry.pads), mode=mode), weight, bias, geometry)


def _check_room(input: Tensor, geometry: Geometry, scheme: str, spare: int) -> None:
    """Refuses an input that is smaller than its padding, which is copied out of it."""
    if is_traced(input):
        return  # a comparison would tie the graph to one size; F.pad checks for itself
    sizes: Sequence[int] = input.shape[2:]
    if any(max(pair) > size - spare for size, pair in zip(sizes, geometry.pads, strict=True)):
        limit = "smaller than" if spare else "at most"
        raise PaddingError(
            f"{scheme} padding of {_readable(geometry)} needs padding {limit} the map, which is "
            f"{'x'.join(map(str, sizes))} here; give the network larger inputs, or use 'replicate', which has no limit"
        )


def _readable(geometry: Geometry) -> str:
    if geometry.symmetric:
        return "x".join(str(before) for before, _ in geometry.pads)
    return " and ".join(f"({before}, {after})" for before, after in geometry.pads)
