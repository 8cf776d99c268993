"""The rule of convolutions: ratios come from the number of an image's own positions in each window, in closed form."""

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.geometry import SAME_DYNAMIC, Geometry, dynamic_pads, per_axis, static_pads
from padding.masked.call import Call, Result, result, rule, rule_for
from padding.masked.extents import GROW, Window, slide, taps_inside
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Extents, axis_vectors, extents_of
from padding.registry import find_scheme
from padding.schemes.convolve import padded_convolution, zero_padded


@rule_for(padded_convolution)
@rule("conv1d", "conv2d", "conv3d")
def convolution(call: Call) -> Result:
    """Convolutions that pad with zeros or not at all, and layers that `convert_padding` converted."""
    bound = call.bind(
        "input", "weight", "bias", "stride", "padding", "dilation", "groups", "scheme", "training", "learned", "widest",
        bias=None, stride=1, padding=0, dilation=1, groups=1, scheme=None, training=False, learned=None, widest=None,
    )  # fmt: skip
    tensor, state = call.input()
    weight, bias, kernels = bound.weight, bound.bias, bound.weight.shape[2:]
    stride, dilation = (per_axis(getattr(bound, name), len(kernels), name) for name in ("stride", "dilation"))
    scheme = None if bound.scheme is None else find_scheme(bound.scheme)
    if any(each is not None and call.valid(each) is not None for each in (weight, bias)):
        if call.cut:
            raise UnfollowableError("its weights are computed from the images")
        return result(call.run(), None, batch=None)
    batched = tensor.dim() == weight.dim() and state.batch == 0
    # Under `grow`, if the padding exceeds the window, a window may be empty even for images that fill the canvas.
    power = None if scheme is None else scheme.power
    reweights = power is not None
    if not state.cut and not (reweights and call.rule == GROW and batched):
        return result(call.run(), None, batch=0 if batched else None)
    if not batched or 1 in state.cut:
        raise UnfollowableError("it slides along an axis that is none of the images' own")
    dynamic = bound.padding == SAME_DYNAMIC
    if dynamic:
        pads = dynamic_pads(tensor.shape[2:], kernels, stride, dilation)
    else:
        pads = static_pads(bound.padding, kernels, dilation)
    if {*kernels, *stride} == {1} and not any(map(any, pads)):
        return call.run_like(state)
    if call.rule == GROW:
        if not reweights and any(map(any, pads)):
            raise UnfollowableError("it pads as partial convolutions do not, and Eq. 3 is of those")
        reweights = True  # windows of a layer without padding may contain padded positions, too
    elif dynamic or not (reweights or scheme is None or scheme.convolve is None):
        return image_by_image(call)  # TensorFlow's SAME has other pads for each image; other schemes fill its border
    axes = zip(kernels, stride, pads, dilation, strict=True)
    windows = [Window(kernel, step, *pair, gap) for kernel, step, pair, gap in axes]
    extents = [extents_of(tensor, state, axis, call.images) for axis in range(2, tensor.dim())]
    if any(window.reads_outside(call.rule) for window in windows):
        tensor = call.clear(tensor, state)
    symmetric = all(before == after for before, after in pads)
    geometry = Geometry(stride, pads, dilation, bound.groups, symmetric)
    output = zero_padded(tensor, weight, None if reweights else bias, geometry)
    sizes = output.shape[2:]
    if reweights:
        output = _reweighted(output, bias, windows, extents, call.writes, 1.0 if power is None else power)
    return result(output, [None, None, *map(slide, extents, windows, sizes, [call.rule] * len(sizes))], batch=0)


def _reweighted(
    output: Tensor, bias: Tensor | None, windows: list[Window], extents: list[Extents], in_place: bool, power: float
) -> Tensor:
    """Computes W X r^power + b, with r a product of kernel / taps inside per axis; 0 if no tap is inside (Eq. 1).

    The ratio is multiplied out first, in at least float32, for one pass over the map instead of one per axis.
    """
    ratio, empty = torch.ones((), device=output.device), False
    for axis, (window, own) in enumerate(zip(windows, extents, strict=True), start=2):
        taps = [taps_inside(extent, window, output.shape[axis]) for extent in own]
        empty = empty or any(0 in row for row in taps)
        factors = [[(window.kernel / count) ** power if count else 0.0 for count in row] for row in taps]
        ratio = ratio * axis_vectors(factors, axis, output, batch=0)
    output = output.mul_(ratio) if in_place else (output * ratio).to(output.dtype)
    if bias is None:
        return output
    bias = bias.to(output.dtype).reshape(-1, *[1] * len(windows))
    bias = torch.where(ratio > 0, bias, 0.0) if empty else bias
    return output.add_(bias) if in_place else output + bias
