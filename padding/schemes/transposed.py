"""Re-weights transposed convolutions near their border under `partial`.

Each input reaches `kernel_size` outputs, so an interior output collects as many inputs as its phase (position modulo
stride) has taps. An output near the border collects fewer: the others would lie beyond the border. Its ratio follows
Eq. 5: taps that would contribute on an unbounded input over taps that do. Both counts are products of one factor per
axis.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from padding.ratio import outer_product, powered
from padding.registry import find_scheme
from padding.reweight import find_frame, reweight
from padding.schemes.convolve import ratio_dtype, weighted
from padding.tracing import is_traced

_CONVOLUTION = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class TransposedGeometry(NamedTuple):
    """The geometry of one call of a transposed convolution; `padding` outputs are cut off on both sides."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


def transposed_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: tuple[int, ...],
    output_padding: Sequence[int],
    dilation: tuple[int, ...],
    groups: int,
    scheme: str,
) -> Tensor:
    """`padded_convolution` for transposed convolutions; `weight` is (C_in, C_out / groups, *kernel_size)."""
    operands = (weight, bias, stride, padding, output_padding, dilation, groups, scheme)
    if has_torch_function_variadic(input, weight):
        return handle_torch_function(transposed_convolution, (input, weight), input, *operands)
    if input.dim() == weight.dim() - 1:
        return transposed_convolution(input.unsqueeze(0), *operands).squeeze(0)
    geometry = TransposedGeometry(tuple(stride), tuple(padding), tuple(output_padding), tuple(dilation), groups)
    convolve = find_scheme(scheme).transposed
    assert convolve is not None  # under other schemes a layer is torch's own
    return convolve(input, weight, bias, geometry)


def partial_transposed(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: TransposedGeometry, power: float = 1.0
) -> Tensor:
    """Computes W X r^power + b, as in Eq. 4, and 0 if every contributing input lies beyond the border (Eq. 1).

    Outputs in gaps that the stride leaves have no contributing input even on an unbounded input, so there is nothing to
    correct: they get the bias, as without this scheme.
    """
    if not is_traced(input, weight):
        frame = find_frame(input, weight, geometry, powered((power,) * len(geometry.stride), axis_factors))
        if frame is not None and not frame.has_empty_windows:
            return reweight(_zero(input, weight, bias, geometry), bias, frame)
    output = _zero(input, weight, None, geometry)
    taps = _taps(input.shape[2:], output.shape[2:], weight.shape[2:], geometry, output.device)
    full, inside = (outer_product(counts) for counts in zip(*taps, strict=True))
    return weighted(output, _ratio(full, inside, ratio_dtype(output)) ** power, bias)


def _zero(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: TransposedGeometry) -> Tensor:
    stride, padding, output_padding, dilation, groups = geometry
    convolution = _CONVOLUTION[weight.dim() - 2]
    return convolution(input, weight, bias, stride, padding, output_padding, groups, dilation)


def _ratio(full: Tensor, inside: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(inside > 0, full / inside.clamp(min=1).to(dtype), torch.where(full > 0, 0.0, 1.0).to(dtype))


def axis_factors(
    sizes: Sequence[int],
    kernel_size: Sequence[int],
    geometry: TransposedGeometry,
    dtype: torch.dtype,
    device: torch.device,
) -> list[Tensor]:
    """The factors of the ratio, one per axis. Their product is the ratio only where none of them is 0."""
    outputs = [
        max(0, (size - 1) * step - 2 * cut + gap * (kernel - 1) + extra + 1)
        for size, kernel, step, cut, extra, gap in zip(sizes, kernel_size, *geometry[:4], strict=True)
    ]
    return [_ratio(*taps, dtype) for taps in _taps(sizes, outputs, kernel_size, geometry, device)]


def _taps(
    sizes: Sequence[int],
    outputs: Sequence[int],
    kernel_size: Sequence[int],
    geometry: TransposedGeometry,
    device: torch.device,
) -> list[tuple[Tensor, Tensor]]:
    stride, padding, _, dilation, _ = geometry
    return [
        contributing_taps(size, count, kernel, step, cut, gap, device)
        for size, count, kernel, step, cut, gap in zip(
            sizes, outputs, kernel_size, stride, padding, dilation, strict=True
        )
    ]


def contributing_taps(
    size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Counts the taps that reach each output along one axis: on an unbounded input, and from inside; int64, (outputs,).

    Tap k reaches output o from input i if i * stride + k * dilation = o + padding. Sizes may be symbolic.
    """
    at = torch.arange(outputs, device=device)[:, None] + padding - torch.arange(kernel, device=device) * dilation
    reached = at % stride == 0
    return reached.sum(1), (reached & (at >= 0) & (at < size * stride)).sum(1)


def meets_border(layer: Any) -> bool:
    """Whether some output of a transposed convolution may collect fewer inputs than on an unbounded input.

    `output_size` at the call may ask for any output padding below the stride or the dilation, so the largest counts.
    """
    return any(
        padding + stride <= dilation * (kernel - 1) + max(extra, max(stride, dilation) - 1)
        for kernel, stride, padding, extra, dilation in zip(
            layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, strict=True
        )
    )
