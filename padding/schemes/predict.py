"""Schemes that predict the values beyond the border: by polynomials through the nearest ones, or linear prediction."""

from functools import partial

import torch
from torch import Tensor

from padding.errors import PaddingError
from padding.registry import Scheme, add_scheme, find_scheme, register_family
from padding.schemes.ring import Fill, filling, register_fill


@register_family("extrapolate")
def _extrapolate(name: str) -> Scheme:
    word, _, count = name.partition(":")
    if word != "extrapolate" or not (count.isascii() and count.isdigit() and 1 <= int(count) <= 9):
        raise PaddingError(f"padding scheme {name!r}: say extrapolate:N with N from 1 to 9, the values that it reads")
    if count != str(int(count)):
        return find_scheme(f"extrapolate:{int(count)}")
    points = int(count)
    return filling(Fill(name, partial(_polynomial, points), lambda amount, size: points))


def _polynomial(points: int, near: Tensor, amount: int, measured: None) -> Tensor:
    """Lagrange's polynomial: x[-j] = sum over i of x[i] times the product over m != i of (-j - m) / (i - m)."""
    values = []
    for distance in range(1, amount + 1):
        value = near[..., :1] * _coefficient(0, distance, points)
        for at in range(1, points):
            value = torch.add(value, near[..., at : at + 1], alpha=_coefficient(at, distance, points))
        values.append(value)
    return torch.cat(values, -1) if len(values) != 1 else values[0]


def _coefficient(at: int, distance: int, points: int) -> int:
    """The Lagrange basis polynomial of point `at`, evaluated at -distance; an integer."""
    above = below = 1
    for other in range(points):
        if other != at:
            above, below = above * (-distance - other), below * (at - other)
    return above // below


add_scheme(find_scheme("extrapolate:2"))
add_scheme(find_scheme("extrapolate:3"))


def _correlations(input: Tensor, training: bool) -> list[tuple[Tensor, Tensor]]:
    """Returns (mean, a) per axis of each map, a = sum I[i] I[i + 1] / sum I[i]^2 with I = map - mean.

    By Cauchy and Schwarz abs(a) <= 1, so no prediction grows. Computed in at least float32; a constant map gets a = 0.
    """
    wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
    axes = tuple(range(2, input.dim()))
    mean = wide.mean(axes, keepdim=True)
    centered = wide - mean
    power = centered.square().sum(axes, keepdim=True)
    is_constant = power == 0
    found = []
    for axis in axes:
        size = input.shape[axis]
        product = centered.narrow(axis, 0, size - 1) * centered.narrow(axis, 1, size - 1)
        found.append((mean, product.sum(axes, keepdim=True) / torch.where(is_constant, 1.0, power)))
    return found


@register_fill("lp1", measure=_correlations, linear=False)
def lp1(near: Tensor, amount: int, measured: tuple[Tensor, Tensor]) -> Tensor:
    """Linear prediction of order 1, x[-j] = mean + a^j (x[0] - mean): Niemitalo et al. 2025, arXiv 2502.12300."""
    mean, factor = measured
    distance = near - mean
    values = []
    for _ in range(amount):
        distance = distance * factor
        values.append(mean + distance)
    return torch.cat(values, -1) if values else near[..., :0]
