"""Pools with circular padding, for networks that commute with rolling the input.

A max pool pads with -inf and a blur pool by reflection, so a network in which only the convolutions are circular still
sees its border in the pools.
"""

from collections.abc import Callable
from typing import Any

import torch.nn.functional as F
from timm.layers import BlurPool2d
from torch import Tensor, nn

from padding.geometry import per_axis

_Forward = Callable[[Any, Tensor], Tensor]


def _around(pool: Any, input: Tensor, axes: int) -> Tensor:
    amounts = per_axis(pool.padding, axes, "padding")
    return F.pad(input, [amount for amount in reversed(amounts) for _ in range(2)], mode="circular")


def _max_pool(axes: int) -> _Forward:
    function = getattr(F, f"max_pool{axes}d")

    def forward(self: Any, input: Tensor) -> Tensor:
        window = (self.kernel_size, self.stride, 0, self.dilation, self.ceil_mode)
        return function(_around(self, input, axes), *window)

    return forward


def _average_pool(axes: int) -> _Forward:
    function = getattr(F, f"avg_pool{axes}d")

    def forward(self: Any, input: Tensor) -> Tensor:
        # avg_pool1d takes no divisor_override.
        divisor = (self.divisor_override,) if axes > 1 else ()
        return function(_around(self, input, axes), self.kernel_size, self.stride, 0, self.ceil_mode, True, *divisor)

    return forward


def _blur(self: Any, input: Tensor) -> Tensor:
    channels = input.shape[1]
    kernel = self.filt.expand(channels, 1, self.filt_size, self.filt_size)
    return F.conv2d(F.pad(input, list(self.padding), mode="circular"), kernel, stride=self.stride, groups=channels)


_FORWARDS: dict[type[nn.Module], _Forward] = {
    **{kind: _max_pool(axes) for axes, kind in enumerate((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d), start=1)},
    **{kind: _average_pool(axes) for axes, kind in enumerate((nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d), start=1)},
    BlurPool2d: _blur,
}

CIRCULAR: dict[type[nn.Module], type[nn.Module]] = {
    base: type(f"Circular{base.__name__}", (base,), {"forward": forward, "__module__": __name__})
    for base, forward in _FORWARDS.items()
}
"""Maps the class of a pool to its class with circular padding."""
globals().update({kind.__name__: kind for kind in CIRCULAR.values()})  # pickle looks classes up in their module
