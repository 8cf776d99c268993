"""Schemes that continue the distribution of the map near its border: `mean_interp` and `mean_reflect`.

Distribution Padding in Convolutional Neural Networks, Nguyen et al., ICIP 2019. The map is average-pooled with windows
of size before + after + 1 along each axis, and the result is interpolated linearly: `mean_interp` to the padded size,
of which the ring becomes the padding, `mean_reflect` to the map's own size, which is then mirrored. The ring is
detached from autograd. Only the parts of the pooled map that the ring needs are computed.
"""

from collections.abc import Callable, Iterator
from functools import partial
from math import floor

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.geometry import Geometry, Pads, pad_argument
from padding.registry import register_scheme
from padding.schemes.convolve import unpadded
from padding.schemes.ring import joined

_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_LINEAR = {1: "linear", 2: "bilinear", 3: "trilinear"}


def pad_by_mean(mirrored: bool, input: Tensor, pads: Pads, training: bool = False) -> Tensor:
    """Pads `input`; `mirrored` selects `mean_reflect`. A map no larger than its padding is pooled to one position."""
    with torch.no_grad():
        wide = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        strips = [
            (axis, before.to(input.dtype), after.to(input.dtype))
            for axis, pair in enumerate(pads, start=2)
            if sum(pair)
            for before, after in [_ends(wide, pads, axis, mirrored)]
        ]
    return joined(input, strips)


def _ends(input: Tensor, pads: Pads, axis: int, mirrored: bool) -> Iterator[Tensor]:
    """The strips before and after one axis, which span the ring of all axes before it."""
    sizes = input.shape[2:]
    excess = [min(sum(pair), size - 1) for pair, size in zip(pads, sizes, strict=True)]  # window sizes minus 1
    size, surplus = sizes[axis - 2], excess[axis - 2]
    pooled_size, stretched = size - surplus, size if mirrored else size + sum(pads[axis - 2])
    for side, amount in enumerate(pads[axis - 2]):
        # Positions in the interpolated map, counted from this side.
        at = [each if mirrored else amount - each for each in range(1, amount + 1)]
        places = [min(max(0.0, (each + 0.5) * pooled_size / stretched - 0.5), pooled_size - 1) for each in at]
        reach = min(pooled_size, floor(max(places, default=0.0)) + 2)
        band = input.narrow(axis, size - reach - surplus if side else 0, reach + surplus)
        pooled = _POOL[len(pads)](band, [each + 1 for each in excess], 1).movedim(axis, -1)
        pooled = pooled.flip(-1) if side else pooled
        rows = [_between(pooled, place) for place in places] or [pooled[..., :0]]
        strip = torch.cat(rows if side else rows[::-1], -1).movedim(-1, axis)
        yield _along(strip, sizes, pads, axis, mirrored) if amount else strip.new_empty(_end_shape(input, pads, axis))


def _between(values: Tensor, place: float) -> Tensor:
    low = floor(place)
    high = min(low + 1, values.shape[-1] - 1)
    return torch.lerp(values[..., low : low + 1], values[..., high : high + 1], place - low)


def _along(strip: Tensor, sizes: tuple[int, ...], pads: Pads, axis: int, mirrored: bool) -> Tensor:
    """Interpolates a strip of the pooled map along all other axes, and cuts off what axes after it will add."""
    target = [size + (0 if mirrored else sum(pair)) for size, pair in zip(sizes, pads, strict=True)]
    target[axis - 2] = strip.shape[axis]
    strip = F.interpolate(strip, target, mode=_LINEAR[len(pads)], align_corners=False)
    if mirrored:
        for each in range(axis - 2):
            only = tuple(pair if each == other else (0, 0) for other, pair in enumerate(pads))
            # Reflection needs more positions than padding; a smaller map was pooled to one position, so it is constant.
            mode = "reflect" if sizes[each] > max(pads[each]) else "replicate"
            strip = F.pad(strip, pad_argument(only), mode=mode)
        return strip
    for each in range(axis + 1, strip.dim()):
        strip = strip.narrow(each, pads[each - 2][0], sizes[each - 2])
    return strip


def _end_shape(input: Tensor, pads: Pads, axis: int) -> list[int]:
    shape = list(input.shape)
    for each in range(2, axis):
        shape[each] += sum(pads[each - 2])
    shape[axis] = 0
    return shape


def _convolution(pad: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def convolve(input: Tensor, weight: Tensor, bias: Tensor | None, geometry: Geometry) -> Tensor:
        return unpadded(pad(input, geometry.pads), weight, bias, geometry)

    return convolve


# Not exact after fusing: the pooling window, and so the ring, depends on the pads, in which fused branches may differ.
for _name, _mirrored in (("mean_interp", False), ("mean_reflect", True)):
    _pad = partial(pad_by_mean, _mirrored)
    register_scheme(_name, survives_fusing=False, pad=_pad)(_convolution(_pad))
