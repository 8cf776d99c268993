"""Re-weights each output by window area over valid area: the schemes `partial` and `partial_sqrt`.

Partial Convolution based Padding, Liu et al. 2018, https://arxiv.org/abs/1811.11718, Eq. 4 and 5.
"""

from collections.abc import Callable
from functools import partial as with_arguments
from weakref import ref

from torch import Tensor

from padding.geometry import Geometry, SettledGeometry
from padding.ratio import axis_factors, outer_product, powered
from padding.registry import register_scheme
from padding.reweight import Frame, find_frame, is_captured, is_small, reweight
from padding.schemes.convolve import CONVOLUTION, ratio_dtype, weighted, zero_padded
from padding.schemes.holes import partial_with_holes
from padding.schemes.transposed import partial_transposed
from padding.tracing import are_static, is_traced


@register_scheme(
    "partial",
    survives_fusing=False,
    with_holes=partial_with_holes,
    transposed=partial_transposed,
    power=1.0,
)
def partial(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Computes W X r + b (Eq. 4), and 0 for a window without valid positions (Eq. 1)."""
    return reweighted(input, weight, bias, geometry, axis_factors)


@register_scheme(
    "partial_sqrt",
    survives_fusing=False,
    with_holes=with_arguments(partial_with_holes, power=0.5),
    transposed=with_arguments(partial_transposed, power=0.5),
    power=0.5,
)
def partial_sqrt(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Computes W X sqrt(r) + b, which keeps the variance of white noise; `partial` keeps the mean of constant input."""
    return reweighted(input, weight, bias, geometry, powered((0.5,) * len(geometry.pads)))


def reweighted(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, factors: Callable[..., list[Tensor]]
) -> Tensor:
    """Computes W X r + b with the ratio's `factors`, one per axis.

    An eager call corrects a plain convolution with bias only in the frame where r differs from 1. A traced call uses
    the formula itself, which a compiler fuses into the convolution's epilogue.
    """
    if type(geometry) is not SettledGeometry and is_traced(input, weight):
        return by_formula(input, weight, bias, geometry, factors)
    frame = find_frame(input, weight, geometry, factors)
    # For an empty window r (y - b) + b would give b, but Eq. 1 says 0.
    if frame is None or frame.has_empty_windows:
        return by_formula(input, weight, bias, geometry, factors)
    output = zero_padded(input, weight, bias, geometry)
    if type(geometry) is SettledGeometry and geometry.symmetric:
        geometry.again = _again(output, geometry, factors, frame)
    return reweight(output, bias, frame)


def _again(output: Tensor, geometry: SettledGeometry, factors: Callable, frame: Frame) -> Callable[..., Tensor]:
    """Returns `reweighted` for inputs of this size as one function, since on small maps every further call shows."""
    axes = len(geometry.pads)
    convolution, amounts = CONVOLUTION[axes], tuple(before for before, _ in geometry.pads)
    stride, dilation, groups = geometry.stride, geometry.dilation, geometry.groups
    column = (-1,) + (1,) * axes
    in_one_pass = is_small(output, frame)
    dtype = frame.ratio.dtype
    # A weak reference, so that only the cache keeps frames in memory.
    kept = ref(frame)

    def again(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        frame = kept()
        if frame is None or is_captured(weight):
            return reweighted(input, weight, bias, geometry, factors)
        output = convolution(input, weight, bias, stride, amounts, dilation, groups)
        if not in_one_pass or output.requires_grad or output.dtype != dtype:
            return reweight(output, bias, frame)
        if bias is None:
            return output.mul_(frame.ratio)
        return output.lerp_(bias.view(column), frame.gap)

    return again


def by_formula(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    factors: Callable[..., list[Tensor]] = axis_factors,
) -> Tensor:
    """Computes Eq. 4 by operations that can be traced, differentiated and vectorised; sizes may be symbolic."""
    output = zero_padded(input, weight, None, geometry)
    sizes, kernel_size = input.shape[2:], weight.shape[2:]
    # If the graph is for fixed sizes, the factors are constants; otherwise every element of the map computes them.
    # On CPUs only: elsewhere every call would copy them to the device, which fails while a CUDA graph is recorded.
    constant = output.is_cpu and are_static([*sizes, *kernel_size])
    outputs = () if constant else (output.shape[2:],)
    ratio = outer_product(factors(sizes, kernel_size, geometry, ratio_dtype(output), output.device, *outputs))
    return weighted(output, ratio, bias)
