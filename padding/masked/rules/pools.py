"""Pools: a maximum never chooses what is not valid, an average counts as the pool does on an image alone."""

import torch.nn.functional as F
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Arguments, Call, Result
from padding.masked.extents import GROW, Window, repeated, slide, taps_inside
from padding.masked.fill import lowest
from padding.masked.registry import rule
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Extents, Valid, axis_vectors, extents_of, make_valid


@rule("max_pool1d", "max_pool2d", "max_pool3d")
def max_pool(call: Call) -> Result:
    bound = call.bind(
        "input", "kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices",
        stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False,
    )  # fmt: skip
    tensor, state = _maps(call)
    if bound.return_indices:
        raise UnfollowableError("its indices would count positions of the canvas")
    windows = _windows(bound, tensor.dim() - 2)
    if _reads_outside(call, state, windows):
        tensor = call.clear(tensor, state, lowest(tensor.dtype))
    output = call.function(
        tensor, bound.kernel_size, bound.stride, bound.padding, bound.dilation, ceil_mode=bound.ceil_mode
    )
    return _result(call, output, state, windows)


@rule("avg_pool2d")
def average_pool(call: Call) -> Result:
    """Under `grow`, a pool that counts its padding counts holes as padding, as zeros; every other one averages over the
    valid positions of a window, as a partial convolution does.
    """
    bound = call.bind(
        "input", "kernel_size", "stride", "padding", "ceil_mode", "count_include_pad", "divisor_override",
        stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None,
    )  # fmt: skip
    tensor, state = _maps(call)
    windows = _windows(bound, 2)
    if not _reads_outside(call, state, windows):
        return _result(call, call.run(), state, windows)
    if call.rule != GROW:
        return image_by_image(call)
    tensor = call.clear(tensor, state)
    counts_holes = bound.divisor_override is not None or (bound.count_include_pad and any(w.before for w in windows))
    divisor = bound.divisor_override if counts_holes else 1
    shape = (bound.kernel_size, bound.stride, bound.padding, bound.ceil_mode, True)
    output = F.avg_pool2d(tensor, *shape, divisor)
    for axis, window in enumerate(() if counts_holes else windows, start=2):
        extents = extents_of(tensor, state, axis, call.images)
        taps = [[max(1, count) for count in taps_inside(extent, window, output.shape[axis])] for extent in extents]
        output = output / axis_vectors(taps, axis, output, batch=0).to(output.dtype)
    return _result(call, output, state, windows)


def _maps(call: Call) -> tuple[Tensor, Valid]:
    tensor, state = call.input()
    axes = int(call.function.__name__.rstrip("d")[-1])
    if state.cut and (tensor.dim() != axes + 2 or state.batch != 0 or 1 in state.cut):
        raise UnfollowableError("it slides along an axis that is not the images' height or width")
    return tensor, state


def _windows(bound: Arguments, axes: int) -> list[Window]:
    kernels = repeated(bound.kernel_size, axes)
    strides = repeated(bound.stride if bound.stride not in (None, [], ()) else bound.kernel_size, axes)
    pads, dilations = repeated(bound.padding, axes), repeated(bound.get("dilation", 1), axes)
    return [
        Window(kernel, stride, pad, pad, dilation, bool(bound.ceil_mode))
        for kernel, stride, pad, dilation in zip(kernels, strides, pads, dilations, strict=True)
    ]


def _reads_outside(call: Call, state: Valid, windows: list[Window]) -> bool:
    """Whether a window of a valid output may hold positions that are not valid."""
    return any(windows[axis - 2].reads_outside(call.rule) for axis in state.cut)


def _result(call: Call, output: Tensor, state: Valid, windows: list[Window]) -> Result:
    if not state.cut:
        return Result(output, [make_valid(output.shape, [None] * output.dim(), state.batch)])
    axes: list[Extents | None] = [None] * output.dim()
    for axis in state.cut:
        axes[axis] = slide(state.axes[axis], windows[axis - 2], output.shape[axis], call.rule)
    return Result(output, [make_valid(output.shape, axes, state.batch)])
