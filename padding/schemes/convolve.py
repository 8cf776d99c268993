"""The operation that every converted layer calls: a convolution under a scheme."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_variadic

from padding.errors import PaddingError
from padding.geometry import AnyPads, Geometry, Pads, pad_argument, resolve
from padding.registry import find_scheme

CONVOLUTION = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}


def padded_convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: tuple[int, ...],
    padding: AnyPads,
    dilation: tuple[int, ...],
    groups: int,
    scheme: str,
    training: bool = False,
    learned: Tensor | None = None,
    widest: Pads | None = None,
) -> Tensor:
    """Convolves `input`, (N, C, *sizes) or (C, *sizes), with its border padded by `scheme`.

    Dispatches to `__torch_function__`, so that torch.fx records it as one call and a mode sees it as one function.

    Args:
        training: the layer's mode, for schemes that draw numbers in training.
        learned: the layer's parameter, for schemes with parameters.
        widest: the pads for which `learned` was made.

    Raises:
        PaddingError: the scheme cannot pad an input of this size.
    """
    if has_torch_function_variadic(input, weight):
        relevant = (input, weight)
        operands = (input, weight, bias, stride, padding, dilation, groups, scheme, training, learned, widest)
        return handle_torch_function(padded_convolution, relevant, *operands)
    axes = weight.dim() - 2
    if input.dim() == axes + 1:
        call = (stride, padding, dilation, groups, scheme, training, learned, widest)
        return padded_convolution(input.unsqueeze(0), weight, bias, *call).squeeze(0)
    geometry = resolve(padding, input.shape[2:], weight.shape[2:], stride, dilation, groups)
    return convolve_by(scheme, input, weight, bias, geometry, training, learned, widest)


def convolve_by(
    scheme: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    geometry: Geometry,
    training: bool,
    learned: Tensor | None,
    widest: Pads | None,
) -> Tensor:
    """`padded_convolution` for a batch, with the geometry computed already."""
    chosen = find_scheme(scheme)
    convolve = chosen.convolve
    assert convolve is not None  # under 'zero' a layer is torch's own
    if chosen.sees_training:
        return convolve(input, weight, bias, geometry, training=training)
    if chosen.start is None:
        return convolve(input, weight, bias, geometry)
    if learned is None:
        raise PaddingError(f"'{scheme}' has parameters, which a function has not; convert a layer with convert_padding")
    return convolve(input, weight, bias, geometry, learned, *((widest,) if chosen.needs_pads else ()))


def zero_padded(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
    """A convolution with zero padding. Pads with before != after cost a padded copy of the input, as in timm."""
    amounts: tuple[int, ...] = tuple(before for before, _ in geometry.pads)
    if not geometry.symmetric:
        input = F.pad(input, pad_argument(geometry.pads))
        amounts = (0,) * len(amounts)
    return unpadded(input, weight, bias, geometry, amounts)


def unpadded(
    input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry, padding: int | tuple[int, ...] = 0
) -> Tensor:
    """A convolution of an input whose border is filled already."""
    convolution = CONVOLUTION[weight.dim() - 2]
    return convolution(input, weight, bias, geometry.stride, padding, geometry.dilation, geometry.groups)


def weighted(output: Tensor, ratio: Tensor, bias: Tensor | None) -> Tensor:
    """Computes W X r + b from `output`, which is W X; where r is 0, no bias is added (Eq. 1).

    The product with the ratio has at least float32, the result has the dtype of `output`, so the dtypes under autocast
    stay the same, and a compiler keeps the wider numbers in registers.
    """
    result = output * ratio
    if bias is not None:
        shape = (-1,) + (1,) * (output.dim() - 2)
        result = result + torch.where(ratio > 0, bias.reshape(shape), 0.0)
    return result.to(output.dtype)


def ratio_dtype(output: Tensor) -> torch.dtype:
    """The dtype in which the ratio of a convolution is computed."""
    return torch.float64 if output.dtype in (torch.float64, torch.complex128) else torch.float32
