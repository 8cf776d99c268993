"""Schemes that put values beyond the border that say nothing of what lies at it: the mean, noise, zeros on one side.

`noise` and `random_side` draw in training, from torch's generator alone, so that a resumed run repeats its draws; their
evaluation is deterministic.
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
    """The mean of the map, for each image and channel."""
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
    """Normal numbers with mean and deviation of the band of amount + 1 rows next to the border; in evaluation the mean.

    For each image and channel. The ring counts as a constant: no gradient flows through it.
    """
    band = near.detach()
    axes = tuple(range(2, band.dim()))
    mean = band.mean(axes, keepdim=True)
    shape = (*band.shape[:-1], amount)
    if not measured:
        return mean.expand(shape)
    return mean + band.std(axes, correction=0, keepdim=True) * torch.randn(shape, dtype=band.dtype, device=band.device)


def pad_random_side(input: Tensor, pads: Pads, training: bool) -> Tensor:
    """Zeros; in training those of an axis all lie on one side, drawn for the whole batch."""
    if not training:
        return F.pad(input, pad_argument(pads))
    if not is_traced(input):
        # Drawn on the CPU, so that a GPU is not waited for.
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
    """Random Padding, Yang et al. 2023, https://arxiv.org/abs/2302.08682: no position can be told by the zeros."""
    if not training:
        return zero_padded(input, weight, bias, geometry)
    return unpadded(pad_random_side(input, geometry.pads, training), weight, bias, geometry)
