"""Re-weights transposed convolutions near their border under `partial`.

Each input reaches `kernel_size` outputs, so an output in the interior collects as many inputs as its phase (position
modulo stride) has taps, and one near the border fewer: the others would lie beyond the border. Its ratio follows Eq. 5:
taps that would contribute on an unbounded input over taps that do. Both counts are a product of one factor an
axis, and have a closed form.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from padding.ratio import outer_product
from padding.registry import find_scheme
from padding.reweight import find_frame, reweight
from padding.tracing import is_traced

_CONVOLUTION = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


class TransposedGeometry(NamedTuple):
    """How the inputs of one call reach its outputs; `padding` outputs are cut off on both sides."""

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


def partial_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: TransposedGeometry) -> Tensor:
    """W X r + b, as in Eq. 4; 0 where every contributing input lies beyond the border (Eq. 1).

    Where the stride leaves gaps, nothing contributes on an unbounded input either, and there is nothing to correct: the
    bias alone, as without this scheme.
    """
    return _reweighted(input, weight, bias, geometry, axis_factors)


def root_transposed(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: TransposedGeometry) -> Tensor:
    """W X sqrt(r) + b, otherwise as `partial_transposed`."""
    return _reweighted(input, weight, bias, geometry, axis_roots, power=0.5)


def _reweighted(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: TransposedGeometry,
    factors: Callable[..., list[Tensor]],
    power: float = 1.0,
) -> Tensor:
    frame = None if is_traced(input, weight) else find_frame(input, weight, geometry, factors)
    if frame is None or frame.has_empty_windows:
        return _by_formula(input, weight, bias, geometry, power)
    return reweight(_zero(input, weight, bias, geometry), bias, frame)


def _zero(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: TransposedGeometry) -> Tensor:
    stride, padding, output_padding, dilation, groups = geometry
    convolution = _CONVOLUTION[weight.dim() - 2]
    return convolution(input, weight, bias, stride, padding, output_padding, groups, dilation)


def _by_formula(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: TransposedGeometry, power: float = 1.0
) -> Tensor:
    output = _zero(input, weight, None, geometry)
    dtype = torch.float64 if output.dtype in (torch.float64, torch.complex128) else torch.float32
    taps = _taps(input.shape[2:], weight.shape[2:], geometry, output.device, output.shape[2:])
    full, inside = (outer_product(counts) for counts in zip(*taps, strict=True))
    ratio = _ratio(full, inside, dtype) ** power
    result = output * ratio
    if bias is not None:
        result = result + torch.where(ratio > 0, bias.reshape((-1,) + (1,) * (weight.dim() - 2)), 0.0)
    return result.to(output.dtype)


def _ratio(full: Tensor, inside: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.where(inside > 0, full / inside.clamp(min=1).to(dtype), torch.where(full > 0, 0.0, 1.0).to(dtype))


def axis_factors(
    sizes: Sequence[int],
    kernel_size: Sequence[int],
    geometry: TransposedGeometry,
    dtype: torch.dtype,
    device: torch.device,
) -> list[Tensor]:
    """The factors of the ratio, one an axis. They multiply to it only where none of them is 0."""
    return [_ratio(full, inside, dtype) for full, inside in _taps(sizes, kernel_size, geometry, device)]


def axis_roots(*call: Any) -> list[Tensor]:
    """The factors of the ratio's root."""
    return [factor.sqrt() for factor in axis_factors(*call)]


def _taps(
    sizes: Sequence[int],
    kernel_size: Sequence[int],
    geometry: TransposedGeometry,
    device: torch.device,
    outputs: Sequence[int] | None = None,
) -> list[tuple[Tensor, Tensor]]:
    stride, padding, output_padding, dilation, _ = geometry
    if outputs is None:
        outputs = [
            max(0, (size - 1) * step - 2 * cut + gap * (kernel - 1) + extra + 1)
            for size, kernel, step, cut, extra, gap in zip(
                sizes, kernel_size, stride, padding, output_padding, dilation, strict=True
            )
        ]
    return [
        contributing_taps(size, count, kernel, step, cut, gap, device)
        for size, count, kernel, step, cut, gap in zip(
            sizes, outputs, kernel_size, stride, padding, dilation, strict=True
        )
    ]


def contributing_taps(
    size: int, outputs: int, kernel: int, stride: int, padding: int, dilation: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """How many taps reach each output along one axis: on an unbounded input, and from inside; int64, (outputs,).

    Tap k reaches output o from input i where i * stride + k * dilation = o + padding: the taps of an output are every
    `stride / gcd(stride, dilation)`-th one, or none. Sizes may be symbolic.
    """
    at = torch.arange(outputs, device=device) + padding
    common = math.gcd(stride, dilation)
    period = stride // common
    # k * dilation = o + padding (mod stride), solved for the first tap by the inverse of dilation modulo stride.
    first = at // common * pow(dilation // common, -1, period) % period
    full = (kernel - 1 - first) // period + 1
    # Taps whose input exists: 0 <= (o + padding - k * dilation) / stride <= size - 1.
    lowest = ((at - (size - 1) * stride + dilation - 1) // dilation).clamp(min=0)
    highest = (at // dilation).clamp(max=kernel - 1)
    inside = ((highest - first) // period - (lowest - 1 - first) // period).clamp(min=0)
    reached = at % common == 0
    return torch.where(reached, full, 0), torch.where(reached, inside, 0)


def meets_border(layer: Any) -> bool:
    """Whether some output of a transposed convolution may collect less than an unbounded input would give it.

    `output_size` at the call may ask for any output padding below the stride or the dilation.
    """
    return any(
        padding + stride <= dilation * (kernel - 1) + max(extra, max(stride, dilation) - 1)
        for kernel, stride, padding, extra, dilation in zip(
            layer.kernel_size, layer.stride, layer.padding, layer.output_padding, layer.dilation, strict=True
        )
    )
