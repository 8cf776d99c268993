"""Convolves inputs with holes: the partial convolution itself.

Follows Partial Convolution based Padding, Liu et al. 2018, https://arxiv.org/abs/1811.11718, Eq. 1 to 3; the authors'
layer is https://github.com/NVIDIA/partialconv.
"""

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from padding.errors import PaddingError
from padding.geometry import AnyPads, Geometry, resolve
from padding.ratio import axis_ratio
from padding.registry import find_scheme
from padding.schemes.convolve import padded_convolution, ratio_dtype, weighted, zero_padded


def masked_convolution(
    input: Tensor,
    mask: Tensor | None,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: AnyPads,
    dilation: tuple[int, ...],
    groups: int,
    scheme: str,
    return_mask: bool | None = None,
    multi_channel: bool = False,
) -> Tensor | tuple[Tensor, Tensor]:
    """Convolves the valid part of `input`, (N, C, *sizes) or (C, *sizes), and returns the output with its mask.

    Dispatches to `__torch_function__` like `padded_convolution`; a recorded graph accepts a mask or None, as the layer
    does.

    Args:
        mask: mask of any dtype, (N or 1, 1 or C, *sizes), without the first axis for an unbatched input; None for no
            holes. 0 is a hole, every other value is valid: checking values would make a GPU wait. Values of the input
            in holes never affect the output.
        return_mask: whether to return the output's mask; None returns it if a mask was given.
        multi_channel: whether the output's mask has C_out channels even if `mask` has one.

    Returns:
        The output; if `return_mask`, also its mask with the dtype of `mask`, (N or 1, 1 or C_out, *sizes) like `mask`.

    Raises:
        PaddingError: the mask does not fit the input or is on another device, or the scheme takes no masks.
    """
    call = (stride, padding, dilation, groups, scheme)
    if has_torch_function_variadic(input, mask, weight):
        operands = (input, mask, weight, bias, *call, return_mask, multi_channel)
        return handle_torch_function(masked_convolution, (input, mask, weight), *operands)
    if mask is None and not return_mask:
        return padded_convolution(input, weight, bias, *call)
    axes = weight.dim() - 2
    if mask is None:
        mask = _no_holes(input, axes, multi_channel)
    _check_mask(mask, input, axes)
    if input.dim() == axes + 1:
        batch, masks = input.unsqueeze(0), mask.unsqueeze(0)
        output, updated = masked_convolution(batch, masks, weight, bias, *call, True, multi_channel)
        output, updated = output.squeeze(0), updated.squeeze(0)
    else:
        geometry = resolve(padding, input.shape[2:], weight.shape[2:], stride, dilation, groups)
        output, valid = _find_rule(scheme)(input, mask != 0, weight, bias, geometry)
        updated = (_for_each_filter(valid, weight) if multi_channel else valid).to(mask.dtype)
    return output if return_mask is False else (output, updated)


def _no_holes(input: Tensor, axes: int, multi_channel: bool) -> Tensor:
    batch = input.shape[: -axes - 1] if multi_channel else (1,) * (input.dim() - axes - 1)
    return input.new_ones((*batch, 1, *input.shape[-axes:]))


def _find_rule(scheme: str) -> Callable[..., tuple[Tensor, Tensor]]:
    with_holes = find_scheme(scheme).with_holes
    if with_holes is None:
        raise PaddingError(f"a mask means nothing under '{scheme}', which fills what is missing; use 'partial'")
    return with_holes


def partial_with_holes(
    input: Tensor, valid: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, power: float = 1.0
) -> tuple[Tensor, Tensor]:
    """Eq. 1 to 3 on a batch: W (X where valid) r^power + b, and 0 for a window without valid positions.

    `valid` is boolean. Positions beyond the border count as holes.
    """
    output = zero_padded(torch.where(valid, input, 0.0), weight, None, geometry)
    counts, window = _count_valid(valid, weight, geometry)
    ratio, seen = axis_ratio(counts, window, ratio_dtype(output)) ** power, counts > 0
    if counts.shape[1] > 1:
        ratio = _for_each_filter(ratio, weight)
    updated = seen if valid.shape[1] == 1 else _for_each_filter(seen, weight)
    return weighted(output, ratio, bias), updated


def _count_valid(valid: Tensor, weight: Tensor, geometry: Geometry) -> tuple[Tensor, int]:
    """Counts the valid positions of each window; returns float32 with 1 channel or 1 per group, and the window's size.

    Convolves the mask with ones, in float32 even under autocast. TF32 is exact on zeros and ones; fast algorithms
    (Winograd, FFT) are not, hence the rounding.
    """
    channels, groups = (1, 1) if valid.shape[1] == 1 else (weight.shape[1], geometry.groups)
    ones = torch.ones(groups, channels, *weight.shape[2:], device=valid.device)
    with without_autocast(valid.device.type):
        counts = zero_padded(valid.to(ones.dtype), ones, None, geometry._replace(groups=groups))
    return counts.round(), channels * math.prod(weight.shape[2:])


def without_autocast(device: str) -> AbstractContextManager:
    on = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.autocast(device, enabled=False) if on else nullcontext()


def _for_each_filter(values: Tensor, weight: Tensor) -> Tensor:
    """Repeats the value of each group for every filter of the group."""
    return values.repeat_interleave(weight.shape[0] // values.shape[1], dim=1)


def _check_mask(mask: Tensor, input: Tensor, axes: int) -> None:
    if torch.jit.is_tracing():
        return  # sizes are tensors there, and the result of a comparison would not hold for other inputs
    channels, sizes = input.shape[-axes - 1], input.shape[-axes:]
    fits = mask.dim() == input.dim() and mask.shape[-axes:] == sizes and mask.shape[-axes - 1] in (1, channels)
    if not fits or (input.dim() == axes + 2 and mask.shape[0] not in (1, input.shape[0])):
        leading = ", ".join(f"1 or {size}" if size != 1 else "1" for size in input.shape[:-axes])
        raise PaddingError(
            f"a mask of shape {tuple(mask.shape)} does not fit an input of shape {tuple(input.shape)}: "
            f"it needs ({leading}, {', '.join(map(str, sizes))})"
        )
    if mask.device != input.device:
        raise PaddingError(f"the mask is on {mask.device} and the input on {input.device}; move it there")
