"""Rules of pools: a max pool never chooses an invalid position, an average pool averages as on an image alone."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.errors import UnfollowableError
from padding.geometry import per_axis
from padding.masked.call import Call, Result, result, rule
from padding.masked.extents import GROW, Window, slide, taps_inside
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Valid, axis_vectors, extents_of


@rule("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(call: Call) -> Result:
    bound = call.bind(
        "input", "kernel_size", "stride", "padding", "dilation", "ceil_mode",
        stride=None, padding=0, dilation=1, ceil_mode=False,
    )  # fmt: skip
    tensor, state = call.input()
    windows = _windows(call, bound, tensor, state)
    if _reads_outside(call, state, windows):
        # Integers have no -inf.
        lowest = float("-inf") if tensor.dtype.is_floating_point else torch.iinfo(tensor.dtype).min
        tensor = call.clear(tensor, state, lowest)
    output = call.function(
        tensor, bound.kernel_size, bound.stride, bound.padding, bound.dilation, ceil_mode=bound.ceil_mode
    )
    return _result(call, output, state, windows)


@rule("avg_pool2d")
def average_pool(call: Call) -> Result:
    """Under `grow`, a pool that counts its padding counts holes as zeros, too; every other pool averages over the valid
    positions of a window, as a partial convolution does.
    """
    bound = call.bind(
        "input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
        stride=None, padding=0, dilation=1, ceil_mode=False, count_include_pad=True, divisor_override=None,
    )  # fmt: skip
    tensor, state = call.input()
    windows = _windows(call, bound, tensor, state)
    if not _reads_outside(call, state, windows):
        return _result(call, call.run(), state, windows)
    if call.rule != GROW:
        return image_by_image(call)
    counts_holes = bound.divisor_override is not None or (bound.count_include_pad and any(w.before for w in windows))
    divisor = bound.divisor_override if counts_holes else 1
    shape = (bound.kernel_size, bound.stride, bound.padding, bound.ceil_mode, True)
    output = F.avg_pool2d(call.clear(tensor, state), *shape, divisor)
    for axis, window in enumerate(() if counts_holes else windows, start=2):
        extents = extents_of(tensor, state, axis, call.images)
        taps = [[max(1, count) for count in taps_inside(extent, window, output.shape[axis])] for extent in extents]
        output = output / axis_vectors(taps, axis, output, batch=0).to(output.dtype)
    return _result(call, output, state, windows)


def _windows(call: Call, bound: SimpleNamespace, tensor: Tensor, state: Valid) -> list[Window]:
    axes = int(call.function.__name__.rstrip("d")[-1])
    if state.cut and (tensor.dim() != axes + 2 or state.batch != 0 or 1 in state.cut):
        raise UnfollowableError("it slides along an axis that is none of the images' own")
    stride = bound.kernel_size if bound.stride in (None, [], ()) else bound.stride
    arguments = bound.kernel_size, stride, bound.padding, bound.padding, bound.dilation, bool(bound.ceil_mode)
    return [Window(*each) for each in zip(*(per_axis(argument, axes, "a pool") for argument in arguments), strict=True)]


def _reads_outside(call: Call, state: Valid, windows: list[Window]) -> bool:
    return any(windows[axis - 2].reads_outside(call.rule) for axis in state.cut)


def _result(call: Call, output: Tensor, state: Valid, windows: list[Window]) -> Result:
    axes = [
        slide(state.cut[axis], windows[axis - 2], size, call.rule) if axis in state.cut else None
        for axis, size in enumerate(output.shape)
    ]
    return result(output, axes, state.batch)
