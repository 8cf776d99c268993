"""Average pools that leave the padding out of the average: partial padding's counterpart of a pool.

An average over the valid part of a window is the one with zeros times window area over valid area: Eq. 5 with equal
weights. Stand-ins for pools that count their padding, put in place by a change of class as for convolutions.
"""

import torch
import torch.nn.functional as F
from timm.layers import AvgPool2dSame
from torch import Tensor, nn
from torch.overrides import handle_torch_function, has_torch_function_unary

from padding.geometry import SAME_DYNAMIC, pad_argument, resolve
from padding.ratio import axis_factors, outer_product


class PartialAvgPool1d(nn.AvgPool1d):
    """`nn.AvgPool1d` with count_include_pad=False, whatever its attribute says."""

    padding_base = nn.AvgPool1d

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, False)


class PartialAvgPool2d(nn.AvgPool2d):
    """`nn.AvgPool2d` with count_include_pad=False, whatever its attribute says."""

    padding_base = nn.AvgPool2d

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, False)


class PartialAvgPool3d(nn.AvgPool3d):
    """`nn.AvgPool3d` with count_include_pad=False, whatever its attribute says."""

    padding_base = nn.AvgPool3d

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, False)


class PartialAvgPool2dSame(AvgPool2dSame):
    """timm's pool with TensorFlow's SAME. timm's own counts its zeros whatever count_include_pad says."""

    padding_base = AvgPool2dSame

    def forward(self, x: Tensor) -> Tensor:
        return same_average(x, self.kernel_size, self.stride)


def same_average(x: Tensor, kernel_size: tuple[int, int], stride: tuple[int, int]) -> Tensor:
    """Averages over what lies inside each window of SAME padding; announces itself as `padded_convolution` does."""
    if has_torch_function_unary(x):
        return handle_torch_function(same_average, (x,), x, kernel_size, stride)
    sizes = x.shape[-2:]
    geometry = resolve(SAME_DYNAMIC, sizes, kernel_size, stride, (1, 1), 1)
    average = F.avg_pool2d(F.pad(x, pad_argument(geometry.pads)), kernel_size, stride)
    dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
    factors = axis_factors(sizes, kernel_size, geometry, dtype, x.device, average.shape[-2:])
    return (average * outer_product(factors)).to(average.dtype)


PARTIAL_POOLS: dict[type[nn.Module], type[nn.Module]] = {
    kind.padding_base: kind for kind in (PartialAvgPool1d, PartialAvgPool2d, PartialAvgPool3d, PartialAvgPool2dSame)
}


def counts_padding(pool: nn.Module) -> bool:
    """Whether a pool of one of these classes has padding in its averages.

    With `divisor_override` it is no average: what lies inside does not matter to the divisor. What `ceil_mode` adds
    behind the padding is never counted.
    """
    if isinstance(pool, AvgPool2dSame):
        return max(pool.kernel_size) > 1
    padding = pool.padding if isinstance(pool.padding, tuple) else (pool.padding,)
    return any(padding) and pool.count_include_pad and getattr(pool, "divisor_override", None) is None
