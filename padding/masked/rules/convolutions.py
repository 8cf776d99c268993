"""Convolutions: each window's ratio is counted from the image's own positions, in closed form, axis by axis."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.geometry import SAME_DYNAMIC, Geometry, Pads, dynamic_pads, static_pads
from padding.masked.call import Call, Result, whole_results
from padding.masked.extents import GROW, Window, repeated, slide, taps_inside
from padding.masked.registry import rule, rule_for
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Extents, Valid, axis_vectors, extents_of, inherited, make_valid
from padding.ratio import axis_factors
from padding.registry import Scheme, find_scheme
from padding.schemes.convolve import padded_convolution, zero_padded
from padding.schemes.reweight import frame_of_size, reweight


@dataclass
class Convolution:
    """A convolution's arguments, whichever function it was."""

    input: Tensor
    valid: Valid
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    pads: Pads
    dilation: tuple[int, ...]
    groups: int

    @property
    def windows(self) -> list[Window]:
        axes = zip(self.weight.shape[2:], self.stride, self.pads, self.dilation, strict=True)
        return [Window(kernel, stride, *pads, dilation) for kernel, stride, pads, dilation in axes]

    @property
    def geometry(self) -> Geometry:
        symmetric = all(before == after for before, after in self.pads)
        return Geometry(self.stride, self.pads, self.dilation, self.groups, symmetric)


@rule_for(padded_convolution)
def converted_convolution(call: Call) -> Result:
    """A layer that `convert_padding` converted."""
    _, weight, bias, stride, padding, dilation, groups, scheme = call.args
    return _convolution(call, weight, bias, tuple(stride), padding, tuple(dilation), groups, find_scheme(scheme))


@rule("conv1d", "conv2d", "conv3d")
def plain_convolution(call: Call) -> Result:
    """One that pads with zeros or not at all."""
    bound = call.bind(
        "input", "weight", "bias", "stride", "padding", "dilation", "groups",
        bias=None, stride=1, padding=0, dilation=1, groups=1,
    )  # fmt: skip
    numbers = [
        tuple(each) if isinstance(each, list) else each for each in (bound.stride, bound.padding, bound.dilation)
    ]
    shape = _geometry(tuple(bound.weight.shape[2:]), *numbers)
    return _convolution(call, bound.weight, bound.bias, *shape, bound.groups, None)


@lru_cache(maxsize=1 << 10)
def _geometry(
    kernels: tuple[int, ...], stride: int | tuple, padding: int | str | tuple, dilation: int | tuple
) -> tuple[tuple[int, ...], Pads, tuple[int, ...]]:
    """Stride, pads and dilation of each axis, from torch's arguments."""
    axes = len(kernels)
    dilation = repeated(dilation, axes)
    padding = padding if isinstance(padding, str) else repeated(padding, axes)
    return repeated(stride, axes), static_pads(padding, kernels, dilation), dilation


def _convolution(call: Call, weight, bias, stride, padding, dilation, groups, scheme: Scheme | None) -> Result:
    """`scheme` is None for torch's own zero padding."""
    input, valid = call.input()
    if any(each is not None and call.valid(each) is not None for each in (weight, bias)):
        if call.cut:
            raise UnfollowableError("its weights are computed from the images")
        return whole_results(call.run())
    # Under `grow` a window may see nothing even of images that fill the canvas, with more padding than it reaches over.
    reweights = scheme is not None and scheme.with_holes is not None
    may_miss = reweights and call.rule == GROW and valid.batch == 0 and input.dim() == weight.dim()
    if not valid.cut and not may_miss:
        output = call.run()
        kept = valid.batch if input.dim() == weight.dim() and valid.batch == 0 else None
        return Result(output, [make_valid(output.shape, (None,) * output.dim(), kept)])
    if input.dim() != weight.dim() or valid.batch != 0 or 1 in valid.cut:
        raise UnfollowableError("it slides along an axis that is not the images' height or width")
    dynamic = padding == SAME_DYNAMIC
    pads = dynamic_pads(input.shape[2:], weight.shape[2:], stride, dilation) if dynamic else padding
    if {*weight.shape[2:], *stride} == {1} and not any(map(any, pads)):
        output = call.run()
        return Result(output, [inherited(output, input, valid)])
    if call.rule == GROW:
        if not reweights and any(map(any, pads)):
            raise UnfollowableError("it pads as partial convolutions do not, and Eq. 3 is of those")
        reweights = True  # a window that does not pad may hold padded positions, too
    elif dynamic or not (reweights or scheme is None or scheme.convolve is None):
        return image_by_image(call)  # TensorFlow's SAME begins elsewhere in each image; other schemes fill the border
    return _slid(call, Convolution(input, valid, weight, bias, stride, pads, dilation, groups), reweights)


def _slid(call: Call, conv: Convolution, reweights: bool) -> Result:
    """A convolution of the canvas, padded with zeros; if `reweights`, each window by its own ratio (Eq. 1 to 5)."""
    windows = conv.windows
    extents = [extents_of(conv.input, conv.valid, axis, call.images) for axis in range(2, conv.input.dim())]
    outputs = [window.outputs(size) for window, size in zip(windows, conv.input.shape[2:], strict=True)]
    axes = [slide(*each, call.rule) for each in zip(extents, windows, outputs, strict=True)]
    if any(window.reads_outside(call.rule) for window in windows):
        conv.input = call.clear(conv.input, conv.valid)
    output = None
    if reweights and call.rule != GROW and conv.input.is_cpu and not (call.recorded or torch.is_grad_enabled()):
        output = _with_corrected_borders(conv, extents, axes)
    if output is None:
        output = zero_padded(conv.input, conv.weight, None if reweights else conv.bias, conv.geometry)
        output = _scaled(output, conv, extents, outputs) if reweights else output
    return Result(output, [make_valid(output.shape, [None, None, *axes], batch=0)])


def _with_corrected_borders(conv: Convolution, extents: list[Extents], axes: list[Extents]) -> Tensor | None:
    """Eq. 4 with each image's border corrected in place, the same numbers as alone; None where a window is empty.

    On a CPU this costs a few rows and columns instead of a pass over the map for each axis.
    """
    sizes = [tuple(stop for _, stop in own) for own in zip(*extents, strict=True)]
    frames = [frame_of_size(own, conv.weight, conv.geometry, axis_factors) for own in sizes]
    if any(frame is None or frame.has_empty_windows for frame in frames):
        return None
    output = zero_padded(conv.input, conv.weight, conv.bias, conv.geometry)
    for image, (frame, own) in enumerate(zip(frames, zip(*axes, strict=True), strict=True)):
        part = output[image : image + 1]
        for axis, (_, length) in enumerate(own, start=2):
            part = part.narrow(axis, 0, length)
        reweight(part, conv.bias, frame)
    return output


def _scaled(output: Tensor, conv: Convolution, extents: list[Extents], outputs: list[int]) -> Tensor:
    """W X r + b, r one factor an axis (kernel over the taps inside); 0 where no tap is inside (Eq. 1).

    In at least float32, and returned in the convolution's dtype.
    """
    result, bias = output, conv.bias
    bias = None if bias is None else bias.reshape(-1, *[1] * len(outputs))
    for axis, (each, window, size) in enumerate(zip(extents, conv.windows, outputs, strict=True), start=2):
        taps = [taps_inside(extent, window, size) for extent in each]
        ratios = [[window.kernel / count if count else 0.0 for count in row] for row in taps]
        factor = axis_vectors(ratios, axis, output, batch=0)
        result = result * factor
        if bias is not None and any(0 in row for row in taps):
            bias = torch.where(factor > 0, bias, 0.0)
    result = result if bias is None else result + bias
    return result.to(output.dtype)
