"""Padding schemes for code that calls convolutions as functions: `padding.conv2d` in place of `F.conv2d`."""

from collections.abc import Sequence

from torch import Tensor

from padding.errors import PaddingError
from padding.geometry import per_axis, resolve, static_pads
from padding.registry import find_scheme
from padding.schemes.convolve import padded_convolution, zero_padded

Amounts = int | Sequence[int]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Amounts = 1,
    padding: Amounts | str = 0,
    dilation: Amounts = 1,
    groups: int = 1,
    *,
    scheme: str = "partial",
) -> Tensor:
    """`torch.nn.functional.conv1d` on (N, C, length) or (C, length), padded by `scheme`; see `conv2d`.

    >>> import torch
    >>> conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 3), padding=1)
    tensor([[[3., 3., 3., 3.]]])
    """
    return _convolution(input, weight, bias, stride, padding, dilation, groups, scheme, 1)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Amounts = 1,
    padding: Amounts | str = 0,
    dilation: Amounts = 1,
    groups: int = 1,
    *,
    scheme: str = "partial",
) -> Tensor:
    """`torch.nn.functional.conv2d` on (N, C, H, W) or (C, H, W), padded by `scheme`.

    Bit for bit equal to a layer under that scheme with these weights.

    Args:
        input, weight, bias, stride, dilation, groups: as for torch's function.
        padding: as for torch's function ('same', 'valid', one number, or one per axis), or a pair (before, after) per
            axis.
        scheme: name of a scheme, such as those of `available_schemes()`.

    Raises:
        PaddingError: the scheme is unknown; an argument has another number of values than there are axes; the input
            is too small for the scheme.

    >>> import torch
    >>> conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 3, 3), padding=1)
    tensor([[[[9., 9.],
              [9., 9.]]]])
    """
    return _convolution(input, weight, bias, stride, padding, dilation, groups, scheme, 2)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Amounts = 1,
    padding: Amounts | str = 0,
    dilation: Amounts = 1,
    groups: int = 1,
    *,
    scheme: str = "partial",
) -> Tensor:
    """`torch.nn.functional.conv3d` on (N, C, D, H, W) or (C, D, H, W), padded by `scheme`; see `conv2d`.

    >>> import torch
    >>> conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 3, 3, 3), padding=1, scheme="zero").unique()
    tensor([8.])
    """
    return _convolution(input, weight, bias, stride, padding, dilation, groups, scheme, 3)


def _convolution(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Amounts,
    padding: Amounts | str,
    dilation: Amounts,
    groups: int,
    scheme: str,
    axes: int,
) -> Tensor:
    if weight.dim() != axes + 2 or input.dim() not in (axes + 1, axes + 2):
        raise PaddingError(
            f"conv{axes}d takes an input of {axes + 1} or {axes + 2} axes and a weight of {axes + 2}; these have "
            f"{input.dim()} and {weight.dim()}"
        )
    stride, dilation = per_axis(stride, axes, "stride"), per_axis(dilation, axes, "dilation")
    pads = static_pads(padding, weight.shape[2:], dilation)
    if find_scheme(scheme).convolve is None:
        return zero_padded(input, weight, bias, resolve(pads, (), (), stride, dilation, groups))
    return padded_convolution(input, weight, bias, stride, pads, dilation, groups, scheme)
