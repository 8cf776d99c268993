"""Re-weights each output by window area over valid area: the scheme `partial`.

Partial Convolution based Padding, Liu et al. 2018, https://arxiv.org/abs/1811.11718, Eq. 4 and 5.
"""

import torch
from torch import Tensor

from padding.geometry import Geometry
from padding.ratio import axis_factors, outer_product
from padding.registry import register_scheme
from padding.schemes.convolve import zero_padded
from padding.schemes.holes import partial_with_holes
from padding.schemes.reweight import find_frame, reweight
from padding.schemes.transposed import partial_transposed
from padding.tracing import is_traced


@register_scheme(
    "partial",
    survives_fusing=False,
    with_holes=partial_with_holes,
    transposed=partial_transposed,
)
def partial(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """W X r + b (Eq. 4); 0 where the window holds no valid position (Eq. 1).

    Run eagerly, the convolution adds the bias as ever and only the frame where r differs from 1 is corrected. Recorded
    into a graph, it is the formula itself, which a compiler fuses into the convolution's epilogue.
    """
    if is_traced(input, weight):
        return by_formula(input, weight, bias, geometry)
    frame = find_frame(input, weight, geometry, axis_factors)
    # In an empty window r (y - b) + b would leave b; Eq. 1 says 0.
    if frame is None or frame.has_empty_windows:
        return by_formula(input, weight, bias, geometry)
    output = zero_padded(input, weight, bias, geometry)
    return reweight(output, bias, frame)


def by_formula(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """Eq. 4 in operations that trace, differentiate and vectorise, for sizes that may be symbolic.

    The ratio is multiplied in at least float32 and the result returned in the convolution's dtype: autocast stays
    autocast, and a compiler keeps the wider numbers in registers.
    """
    output = zero_padded(input, weight, None, geometry)
    ratio = _traceable_ratio(input, weight, output, geometry)
    result = output * ratio
    if bias is not None:
        shape = (-1,) + (1,) * (weight.dim() - 2)
        result = result + torch.where(ratio > 0, bias.reshape(shape), 0.0)
    return result.to(output.dtype)


def _traceable_ratio(input: Tensor, weight: Tensor, output: Tensor, geometry: Geometry) -> Tensor:
    dtype = torch.float64 if output.dtype in (torch.float64, torch.complex128) else torch.float32
    sizes, outputs = input.shape[2:], output.shape[2:]
    return outer_product(axis_factors(sizes, weight.shape[2:], geometry, dtype, output.device, outputs))
