"""Schemes that fill the border with values that do not continue the map: `mean`, `noise`, and `random_side`.

`noise` and `random_side` draw numbers in training only, and only from torch's generator, so that a resumed run repeats
its draws; evaluation is deterministic.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.geometry import Geometry, Pads, pad_argument
from padding.registry import register_scheme
from padding.schemes.convolve import unpadded, zero_padded
from padding.schemes.ring import register_fill
from padding.tracing import is_traced


def _mean(input: Tensor, training: bool) -> list[Tensor]:
    axes = input.dim() - 2
    return [input.mean(tuple(range(2, axes + 2)), keepdim=True)] * axes


@register_fill("mean", measure=_mean, linear=False)
def mean(near: Tensor, amount: int, measured: Tensor) -> Tensor:
    """Fills with the mean of the map, per image and channel."""
    return measured.expand(*near.shape[:-1], amount)


@register_fill(
    "noise",
    reach=lambda amount, size: min(amount + 1, size),
    measure=lambda input, training: [training] * (input.dim() - 2),
    linear=False,
    survives_fusing=False,
    sees_training=True,
)
def noise(near: Tensor, amount: int, measured: bool) -> Tensor:
    """Fills with normal noise, whose mean and deviation are those of the amount + 1 rows next to the border.

    Per image and channel; evaluation fills with the mean. The ring is a constant: no gradient flows through it.
    """
    band = near.detach()
    axes = tuple(range(2, band.dim()))
    mean = band.mean(axes, keepdim=True)
    shape = (*band.shape[:-1], amount)
    if not measured:
        return mean.expand(shape)
    return mean + band.std(axes, correction=0, keepdim=True) * torch.randn(shape, dtype=band.dtype, device=band.device)


def pad_random_side(input: Tensor, pads: Pads, training: bool) -> Tensor:
    """Pads with zeros; in training all zeros of an axis lie on one side, which is drawn once per batch."""
    if not training:
        return F.pad(input, pad_argument(pads))
    if not is_traced(input):
        # Drawn on the CPU, because reading a draw from the GPU would wait for it.
        before = torch.randint(2, (len(pads),)).tolist()
        sides = [(first * sum(pair), (1 - first) * sum(pair)) for first, pair in zip(before, pads, strict=True)]
        return F.pad(input, pad_argument(tuple(sides)))
    drawn = torch.randint(2, (len(pads),), device=input.device)
    for axis, pair in enumerate(pads):
        first, last = (
            F.pad(input, pad_argument(tuple(side if each == axis else (0, 0) for each in range(len(pads)))))
            for side in ((sum(pair), 0), (0, sum(pair)))
        )
        input = torch.where(drawn[axis] == 1, first, last)
    return input


@register_scheme("random_side", survives_fusing=False, sees_training=True, pad=pad_random_side)
def random_side(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, training: bool = False
) -> Tensor:
    """Random Padding, Yang et al. 2023, https://arxiv.org/abs/2302.08682: the zeros do not reveal the position."""
    if not training:
        return zero_padded(input, weight, bias, geometry)
    return unpadded(pad_random_side(input, geometry.pads, training), weight, bias, geometry)
