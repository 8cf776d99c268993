"""Convolutions: each window's ratio is counted from the image's own positions, in closed form, axis by axis."""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.geometry import SAME_DYNAMIC, Geometry, Pads, dynamic_pads, output_size, static_pads
from padding.masked.call import Call, Result, whole_results
from padding.masked.extents import GROW, Window, repeated, slide, taps_inside, too_small
from padding.masked.fill import filled
from padding.masked.registry import rule, rule_for
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Extents, Valid, axis_vectors, from_lengths, inherited, make_valid
from padding.ratio import axis_factors
from padding.schemes.convolve import padded_convolution, zero_padded
from padding.schemes.reweight import Frame, frame_of_size, reweight

_FOLLOWED = ("zero", "partial")


class Spec(NamedTuple):
    """A convolution's arguments, whichever function it was."""

    input: Tensor
    valid: Valid
    weight: Tensor
    bias: Tensor | None
    stride: tuple[int, ...]
    padding: Pads | str
    dilation: tuple[int, ...]
    groups: int
    scheme: str

    @property
    def kernels(self) -> tuple[int, ...]:
        return tuple(self.weight.shape[2:])

    @property
    def is_pointwise(self) -> bool:
        """Whether each output is a function of the one position that it lies on."""
        taps = {*self.kernels, *self.stride}
        return taps == {1} and self.padding != SAME_DYNAMIC and not any(map(any, self.padding))

    def geometry(self, pads: Pads) -> Geometry:
        symmetric = all(before == after for before, after in pads)
        return Geometry(self.stride, pads, self.dilation, self.groups, symmetric)


@rule_for(padded_convolution)
def converted_convolution(call: Call) -> Result:
    """A layer that `convert_padding` converted."""
    _, weight, bias, stride, padding, dilation, groups, scheme = call.args
    return _convolution(call, weight, bias, stride, padding, dilation, groups, scheme)


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
    return _convolution(
        call, bound.weight, bound.bias, *_geometry(bound.weight.shape[2:], *numbers), bound.groups, "zero"
    )


@lru_cache(maxsize=1 << 10)
def _geometry(
    kernels: tuple[int, ...], stride: int | tuple, padding: int | str | tuple, dilation: int | tuple
) -> tuple[tuple[int, ...], Pads, tuple[int, ...]]:
    """Stride, pads and dilation of each axis, from torch's arguments."""
    axes = len(kernels)
    dilation = repeated(dilation, axes)
    padding = padding if isinstance(padding, str) else repeated(padding, axes)
    return repeated(stride, axes), static_pads(padding, kernels, dilation), dilation


def _convolution(call: Call, weight, bias, stride, padding, dilation, groups, scheme) -> Result:
    input, valid = call.input()
    if any(each is not None and call.valid(each) is not None for each in (weight, bias)):
        return _with_own_weights(call)
    # Under `grow` a window may see nothing even of images that fill the canvas, with more padding than it reaches over.
    may_miss = call.rule == GROW and scheme == "partial" and valid.batch == 0 and input.dim() == weight.dim()
    if not valid.cut and not may_miss:
        output = call.run()
        kept = valid.batch if input.dim() == weight.dim() and valid.batch == 0 else None
        return Result(output, [make_valid(output.shape, (None,) * output.dim(), kept)])
    if input.dim() != weight.dim() or valid.batch != 0 or 1 in valid.cut:
        raise UnfollowableError("it slides along an axis that is not the images' height or width")
    spec = Spec(input, valid, weight, bias, tuple(stride), padding, tuple(dilation), groups, scheme)
    if spec.is_pointwise:
        output = call.run()
        return Result(output, [inherited(output, input, valid)])
    if call.rule == GROW:
        return _growing(spec)
    if scheme not in _FOLLOWED:
        return image_by_image(call)
    return _fixed(spec)


def _with_own_weights(call: Call) -> Result:
    if call.cut:
        raise UnfollowableError("its weights are computed from the images")
    return whole_results(call.run())


# fixed: as in the network run on that image alone


class Own(NamedTuple):
    """What one image alone would bring to the convolution."""

    sizes: tuple[int, ...]
    pads: Pads
    outputs: tuple[int, ...]


class Plan(NamedTuple):
    """What is known of a convolution before it is run, the same for every layer and batch of its shape."""

    owns: tuple[Own, ...]
    groups: tuple[tuple[int, ...], ...]
    """The images whose windows begin alike: under TensorFlow's SAME the pads in front depend on the size of each."""
    reads_outside: bool
    """Whether a window of a valid output reaches beyond its image."""
    state: Valid
    """Of the output."""


@lru_cache(maxsize=1 << 12)
def _plan(
    canvas: tuple[int, ...], valid: Valid, kernels: tuple, stride: tuple, padding: Pads | str, dilation: tuple
) -> Plan:
    owns, groups = [], {}
    whole = [((0, size),) * valid.images for size in canvas]
    extents = [cut or full for cut, full in zip(valid.axes[2:], whole, strict=True)]
    for image, bounds in enumerate(zip(*extents, strict=True)):
        own = _own(tuple(stop for _, stop in bounds), kernels, stride, padding, dilation)
        if min(own.outputs) < 1:
            raise too_small(image, own.sizes, kernels)
        owns.append(own)
        groups.setdefault(tuple(before for before, _ in own.pads), []).append(image)
    on_canvas = _own(canvas, kernels, stride, padding, dilation).outputs
    axes = [from_lengths(lengths) for lengths in zip(*(own.outputs for own in owns), strict=True)]
    state = make_valid((0, 0, *on_canvas), [None, None, *axes], batch=0)
    reads_outside = any(max(pair) > 0 for own in owns for pair in own.pads)
    return Plan(tuple(owns), tuple(map(tuple, groups.values())), reads_outside, state)


def _own(sizes: tuple[int, ...], kernels: tuple, stride: tuple, padding: Pads | str, dilation: tuple) -> Own:
    pads = dynamic_pads(sizes, kernels, stride, dilation) if padding == SAME_DYNAMIC else padding
    return Own(sizes, pads, tuple(map(output_size, sizes, kernels, stride, pads, dilation)))


def _fixed(spec: Spec) -> Result:
    canvas = tuple(spec.input.shape[2:])
    plan = _plan(canvas, spec.valid, spec.kernels, spec.stride, spec.padding, spec.dilation)
    if plan.reads_outside:
        spec = spec._replace(input=filled(spec.input, spec.valid))
    if len(plan.groups) == 1:
        return Result(_fixed_alike(spec, plan.owns), [plan.state])
    parts = [_fixed_alike(_chosen(spec, images), [plan.owns[each] for each in images]) for images in plan.groups]
    order = torch.tensor([image for images in plan.groups for image in images], device=spec.input.device)
    return Result(torch.cat(parts)[order.argsort()], [plan.state])


def _chosen(spec: Spec, images: Sequence[int]) -> Spec:
    axes = tuple(cut and tuple(cut[image] for image in images) for cut in spec.valid.axes)
    index = torch.tensor(images, device=spec.input.device)
    return spec._replace(input=spec.input[index], valid=Valid(axes, batch=0))


def _fixed_alike(spec: Spec, owns: Sequence[Own]) -> Tensor:
    """The canvas' convolution for images whose windows begin alike."""
    geometry = spec.geometry(_canvas_pads(spec, owns[0]))
    if spec.scheme == "partial":
        return _fixed_partial(spec, geometry, owns)
    return _trimmed(spec, zero_padded(spec.input, spec.weight, spec.bias, geometry))


def _canvas_pads(spec: Spec, own: Own) -> Pads:
    """The canvas' pads: behind, as many as it takes for all of its outputs, wherever the windows begin."""
    if spec.padding != SAME_DYNAMIC:
        return own.pads
    pads = []
    for size, kernel, stride, dilation, (before, _) in zip(
        spec.input.shape[2:], spec.kernels, spec.stride, spec.dilation, own.pads, strict=True
    ):
        reach = (-(-size // stride) - 1) * stride + dilation * (kernel - 1) + 1
        pads.append((before, max(0, reach - before - size)))
    return tuple(pads)


def _trimmed(spec: Spec, output: Tensor) -> Tensor:
    """Without the outputs that TensorFlow's SAME would not have on this canvas."""
    if spec.padding != SAME_DYNAMIC:
        return output
    for axis, (size, stride) in enumerate(zip(spec.input.shape[2:], spec.stride, strict=True), start=2):
        output = output.narrow(axis, 0, -(-size // stride))
    return output


def _fixed_partial(spec: Spec, geometry: Geometry, owns: Sequence[Own]) -> Tensor:
    """Eq. 4 with each image's own ratio. On a CPU only its border is corrected, in place; the same numbers as alone."""
    frames = [] if torch.is_grad_enabled() or not spec.input.is_cpu else [_frame(spec, own) for own in owns]
    if not frames or any(frame is None or frame.has_empty_windows for frame in frames):
        output = _trimmed(spec, zero_padded(spec.input, spec.weight, None, geometry))
        windows = _windows(spec, geometry.pads)
        counts = [
            [taps_inside((0, own.sizes[axis]), window, output.shape[2 + axis]) for own in owns]
            for axis, window in enumerate(windows)
        ]
        return _scaled(output, spec, counts)
    output = _trimmed(spec, zero_padded(spec.input, spec.weight, spec.bias, geometry))
    for image, (own, frame) in enumerate(zip(owns, frames, strict=True)):
        part = output[image : image + 1]
        for axis, length in enumerate(own.outputs, start=2):
            part = part.narrow(axis, 0, length)
        reweight(part, spec.bias, frame)
    return output


def _frame(spec: Spec, own: Own) -> Frame | None:
    return frame_of_size(own.sizes, spec.weight, spec.geometry(own.pads), axis_factors)


# grow: Eq. 1 to 3


def _growing(spec: Spec) -> Result:
    input, kernels = spec.input, spec.weight.shape[2:]
    pads = dynamic_pads(input.shape[2:], kernels, spec.stride, spec.dilation)
    pads = pads if spec.padding == SAME_DYNAMIC else spec.padding
    windows = _windows(spec, pads)
    if spec.scheme != "partial" and any(window.pads for window in windows):
        raise UnfollowableError(f"it pads by '{spec.scheme}', and Eq. 3 is of partial convolutions")
    outputs = [window.outputs(size) for window, size in zip(windows, input.shape[2:], strict=True)]
    extents = [_extents(spec, axis) for axis in range(len(windows))]
    axes = [slide(each, window, size, GROW) for each, window, size in zip(extents, windows, outputs, strict=True)]
    if max(kernels) == 1 and not any(window.pads for window in windows):
        output = zero_padded(spec.input, spec.weight, spec.bias, spec.geometry(pads))
    else:
        output = zero_padded(filled(input, spec.valid), spec.weight, None, spec.geometry(pads))
        counts = [
            [taps_inside(extent, window, size) for extent in each]
            for each, window, size in zip(extents, windows, outputs, strict=True)
        ]
        output = _scaled(output, spec, counts)
    return Result(output, [make_valid(output.shape, [None, None, *axes], batch=0)])


def _extents(spec: Spec, axis: int) -> Extents:
    cut = spec.valid.axes[2 + axis]
    return ((0, spec.input.shape[2 + axis]),) * len(spec.input) if cut is None else cut


# Both


def _windows(spec: Spec, pads: Pads) -> list[Window]:
    kernels = spec.weight.shape[2:]
    return [
        Window(kernel, stride, before, after, dilation)
        for kernel, stride, (before, after), dilation in zip(kernels, spec.stride, pads, spec.dilation, strict=True)
    ]


def _scaled(output: Tensor, spec: Spec, counts: list[list[tuple[int, ...]]]) -> Tensor:
    """W X r + b, r one factor an axis (kernel over the taps inside); 0 where no tap is inside (Eq. 1).

    In at least float32, and returned in the convolution's dtype.
    """
    result, bias = output, spec.bias
    bias = None if bias is None else bias.reshape(-1, *[1] * len(counts))
    for axis, (taps, kernel) in enumerate(zip(counts, spec.weight.shape[2:], strict=True), start=2):
        ratios = [[kernel / count if count else 0.0 for count in row] for row in taps]
        factor = axis_vectors(ratios, axis, output, batch=0)
        result = result * factor
        if bias is not None and any(0 in row for row in taps):
            bias = torch.where(factor > 0, bias, 0.0)
    result = result if bias is None else result + bias
    return result.to(output.dtype)
