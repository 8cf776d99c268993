"""Schemes with parameters of their own: `constant`, `explicit`, `pad_channel`.

A conversion gives a layer one parameter, `padding_learned`. With its initial value the layer equals zero padding: the
term that it adds to a plain convolution is exactly 0.
"""

import itertools
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.geometry import Geometry, Pads, pad_argument, whole_windows
from padding.registry import register_scheme
from padding.schemes.convolve import unpadded, zero_padded
from padding.schemes.holes import without_autocast


def _one_a_channel(weight: Tensor, channels: int, pads: Pads) -> Tensor:
    return weight.new_zeros(channels)


@register_scheme("constant", survives_fusing=False, start=_one_a_channel)
def constant(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, learned: Tensor) -> Tensor:
    """Fills with a learned value per input channel. The added term depends on the position only: one for all images."""
    output = zero_padded(input, weight, bias, geometry)
    groups = geometry.groups
    values = learned.repeat(input.shape[1] // len(learned)).reshape(groups, 1, -1, *[1] * len(geometry.pads))
    with without_autocast(input.device.type):
        taps = (weight.unflatten(0, (groups, -1)) * values).sum(2).flatten(0, 1)
        added = _from_beyond(taps, _inside(input, taps, output, geometry))
    return output + added.to(output.dtype)


def _one_filter(weight: Tensor, channels: int, pads: Pads) -> Tensor:
    return torch.zeros_like(weight[:, 0])


@register_scheme("pad_channel", survives_fusing=False, start=_one_filter, own_weights=True, first_alone=True)
def pad_channel(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, learned: Tensor) -> Tensor:
    """Kim 2023, https://arxiv.org/abs/2311.07623: the first convolution gets a channel of ones, padded with zeros."""
    output = zero_padded(input, weight, bias, geometry)
    seen = learned
    with without_autocast(input.device.type):
        for inside in _inside(input, learned, output, geometry):
            seen = torch.tensordot(seen, inside, dims=([1], [1]))  # moves the axis to the end, so the next is at 1
    return output + seen.to(output.dtype)


def _inside(input: Tensor, taps: Tensor, output: Tensor, geometry: Geometry) -> list[Tensor]:
    """Whether each tap of each window lies inside the map: per axis 0 or 1, (outputs, kernel)."""
    found = []
    stride, pads, dilation, *_ = geometry
    for axis, (step, (before, _), gap) in enumerate(zip(stride, pads, dilation, strict=True)):
        start = torch.arange(output.shape[axis + 2], device=input.device) * step - before
        at = start[:, None] + torch.arange(taps.shape[axis + 1], device=input.device) * gap
        found.append(((at >= 0) & (at < input.shape[axis + 2])).to(taps.dtype))
    return found


def _from_beyond(taps: Tensor, insides: Sequence[Tensor]) -> Tensor:
    """Sums each window's taps outside of the map: (..., *kernel) to (..., *outputs); exactly 0 if all are inside."""
    inside, *rest = insides
    axis = taps.dim() - len(insides)
    beyond = (taps.flatten(axis + 1).sum(-1) if rest else taps) @ (1 - inside).T
    if not rest:
        return beyond
    within = torch.tensordot(taps, inside, dims=([axis], [1])).movedim(-1, axis)
    return beyond[(..., *[None] * len(rest))] + _from_beyond(within, rest)


def _one_kernel_a_case(weight: Tensor, channels: int, pads: Pads) -> Tensor:
    cases = torch.Size([before + after + 1 for before, after in pads]).numel() - 1
    return weight.expand(cases, *weight.shape).clone()


@register_scheme("explicit", survives_fusing=False, start=_one_kernel_a_case, own_weights=True, needs_pads=True)
def explicit(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, learned: Tensor, widest: Pads
) -> Tensor:
    """Uses separate weights per displacement of a window over the border: Innamorati et al., BMVC 2018, IJCV 128:773.

    A window that overhangs both borders counts as displaced over the border that it overhangs more, the first if equal.
    Near the border, the convolution with the difference between the case's weights and `weight` is added.

    Args:
        learned: weights of the cases, (cases, *weight.shape): all displacements but the zero one, rows slowest.
        widest: the pads for which the cases were made.
    """
    output = zero_padded(input, weight, bias, geometry)
    lines = [
        _displacements(size, outputs, dilation * (kernel - 1), step, before)
        for size, outputs, kernel, step, (before, _), dilation in zip(
            input.shape[2:], output.shape[2:], weight.shape[2:], *geometry[:3], strict=True
        )
    ]

    def case(places: tuple[tuple[int, int, int], ...]) -> Tensor:
        number = interior = 0
        for (shift, _, _), (before, after) in zip(places, widest, strict=True):
            number = number * (before + after + 1) + shift + before
            interior = interior * (before + after + 1) + before
        if number == interior:
            return output.new_zeros(()).expand(*output.shape[:2], *(count for _, _, count in places))
        kernel = learned[number - (number > interior)] - weight
        return unpadded(_windows(input, places, kernel, geometry), kernel, None, geometry).to(output.dtype)

    return output + _tiled(lines, case)


def _displacements(size: int, outputs: int, reach: int, stride: int, before: int) -> list[tuple[int, int, int]]:
    """Groups the windows of one axis into runs of equal displacement: (displacement, first window, count)."""

    def alone(output: int) -> tuple[int, int, int]:
        first = output * stride - before
        over, under = max(0, first + reach + 1 - size), max(0, -first)
        return -under if under >= over else over, output, 1

    inside, beyond = whole_windows(size, outputs, reach, stride, before)
    whole = [(0, inside, beyond - inside)] if beyond > inside else []
    runs = [*map(alone, range(inside)), *whole, *map(alone, range(beyond, outputs))]
    alike = [list(equal) for _, equal in itertools.groupby(runs, key=lambda run: run[0])]
    return [(equal[0][0], equal[0][1], sum(count for *_, count in equal)) for equal in alike]


def _windows(input: Tensor, places: Sequence[tuple[int, int, int]], kernel: Tensor, geometry: Geometry) -> Tensor:
    """Cuts the part of the zero-padded input that the windows of one run per axis read."""
    pads = []
    for axis, (_, start, count) in enumerate(places):
        first = start * geometry.stride[axis] - geometry.pads[axis][0]
        end = first + (count - 1) * geometry.stride[axis] + geometry.dilation[axis] * (kernel.shape[axis + 2] - 1) + 1
        size = input.shape[axis + 2]
        low, high = min(max(first, 0), size), min(max(end, 0), size)
        input = input.narrow(axis + 2, low, max(0, high - low))
        # The minimum and maximum serve windows that lie beyond the map entirely.
        pads.append((min(end, low) - first if first < 0 else 0, end - max(first, high) if end > size else 0))
    return F.pad(input, pad_argument(tuple(pads)))


def _tiled(lines: Sequence[list[tuple[int, int, int]]], tile: Callable[..., Tensor], done: tuple = ()) -> Tensor:
    if len(done) == len(lines):
        return tile(done)
    return torch.cat([_tiled(lines, tile, (*done, run)) for run in lines[len(done)]], len(done) + 2)
