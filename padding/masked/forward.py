"""A network on images of different sizes that were padded to one."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from padding.errors import PaddingError, UnfollowableError
from padding.masked.call import map_tensors, tensors_in
from padding.masked.canvas import paste
from padding.masked.extents import FIXED, GROW, RULES
from padding.masked.fill import filled, gradients
from padding.masked.hidden import refuse_hidden, refuse_recomputing
from padding.masked.lockstep import Lockstep
from padding.masked.mode import Masking, unmarked
from padding.masked.state import Valid, from_lengths, make_valid
from padding.masked.traces import traces_of


class Masked(NamedTuple):
    """What a network gave for images of different sizes.

    Attributes:
        output: as the network returns it; 0 wherever a map is not valid.
        valid: the same nesting, for each tensor None (at most two axes: no map) or an int64 tensor (N, A, 2) on the
            CPU, for each image and spatial axis the first valid position and the one behind the last.
    """

    output: Any
    valid: Any


def forward_masked(
    model: nn.Module, images: Tensor, sizes: Tensor | Sequence, *, rule: str = FIXED, check: bool = True
) -> Masked:
    """Runs a network on images padded to one size, so that it never sees what was padded.

    The mask of every layer is one interval an axis and image ("case of big padding size", section 3 of Liu et al.
    2018), followed through the network's code as it stands. Anything may stand outside of an image, NaN included.

    Args:
        model: in evaluation mode as far as it normalises by batches; its padding scheme any one for `fixed`, partial
            for `grow`.
        images: (N, C, H, W), each image at the top left.
        sizes: (N, 2) integers, height and width of each image.
        rule: `fixed`: a position is valid if it exists in the network run on that image alone, and holds what that run
            gives. `grow`: if its window read at least one valid position (Eq. 3), on a canvas that is as wide as the
            batch; sums and concatenations of differently grown maps are valid where any part is, the others 0 there.
        check: for `fixed`, also run the network on the meta device at each image's own size and compare all calls: code
            that computes with the sizes it sees is found out. Costs tens of milliseconds for each new size, kept for
            later batches. Without it such code gives wrong results without a word.

    Raises:
        UnfollowableError: a function that cannot be followed, named with its layer: `forward_singly` is the way out.
        PaddingError: sizes that do not fit the images; an image too small for the network.
    """
    lengths = _check(images, sizes)
    if rule not in RULES:
        raise PaddingError(f"unknown rule {rule!r}; choose one of {', '.join(RULES)}")
    if torch.compiler.is_compiling() or torch.jit.is_tracing():
        raise PaddingError("masks cannot be compiled, exported or traced; do that with a network that runs without")
    if rule == GROW and torch.is_inference_mode_enabled():
        # Inference mode does not say what is a view, which a map that grows in place has to know.
        with torch.inference_mode(False), torch.no_grad():
            return forward_masked(model, images, sizes, rule=rule, check=check)
    refuse_recomputing(model)
    traces = None
    if rule == FIXED and check:
        traces = traces_of(model)
    else:
        refuse_hidden(model)
    mode = Masking(model, len(images), rule)
    cuts = [None, None, *(from_lengths(column) for column in zip(*lengths, strict=True))]
    canvas = filled(images.clone(), make_valid(images.shape, cuts, batch=0))
    if traces:
        mode.lockstep = Lockstep(traces, mode.constants, canvas, [(images.shape[1], *size) for size in lengths])
    mode.mark(canvas, cuts)
    output = _run(mode, canvas)
    states = {id(tensor): mode.state(tensor) for tensor in tensors_in(output)}
    rows = map_tensors(output, lambda each: _rows(states[id(each)], each, len(images)))
    return Masked(map_tensors(output, lambda each: _finished(states[id(each)], each)), rows)


def forward_singly(model: nn.Module, images: Tensor, sizes: Tensor | Sequence) -> Masked:
    """Runs a network on each image alone, the loop that `forward_masked` under `fixed` is to equal.

    Args and result as of `forward_masked`.

    Raises:
        PaddingError: sizes that do not fit the images; outputs whose first axis is not the images'.
    """
    lengths = _check(images, sizes)
    outputs = [model(images[n : n + 1, :, :height, :width]) for n, (height, width) in enumerate(lengths)]
    columns = list(zip(*(list(tensors_in(output)) for output in outputs), strict=True))
    for column in columns:
        if any(part.dim() == 0 or len(part) != 1 for part in column):
            raise PaddingError(
                f"the model gave {tuple(column[0].shape)} for one image; an output's first axis must be the images'"
            )
    pasted = iter([paste(column) for column in columns])
    rows = iter([_sizes_of(column) for column in columns])
    return Masked(map_tensors(outputs[0], lambda _: next(pasted)), map_tensors(outputs[0], lambda _: next(rows)))


def _run(mode: Masking, canvas: Tensor) -> Any:
    try:
        with gradients(torch.is_grad_enabled()), mode:
            output = mode.model(canvas)
    except PaddingError:
        raise
    except Exception as error:
        raise UnfollowableError(
            f"{type(mode.model).__name__} fails on images padded to {tuple(canvas.shape)} with {type(error).__name__}: "
            f"{error}; run the images one at a time (padding.forward_singly)"
        ) from error
    if mode.lockstep:
        mode.lockstep.finish()
    return output


def _check(images: Tensor, sizes: Tensor | Sequence) -> list[tuple[int, int]]:
    if not isinstance(images, Tensor) or images.dim() != 4 or len(images) == 0:
        what = tuple(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise PaddingError(f"images must be (N, C, H, W), at least one, these are {what}")
    listed = _listed(sizes)
    if len(listed) != len(images) or any(len(size) != 2 for size in listed):
        raise PaddingError(f"sizes must be (N, 2), height and width of each of the {len(images)} images, not {sizes!r}")
    canvas = tuple(images.shape[2:])
    for number, size in enumerate(listed):
        if any(not float(own).is_integer() or not 1 <= own <= room for own, room in zip(size, canvas, strict=True)):
            raise PaddingError(
                f"image {number} is said to be {size[0]:g} x {size[1]:g}; height and width must be whole numbers from "
                f"1 to those of the canvas, {canvas[0]} x {canvas[1]}"
            )
    return [(int(height), int(width)) for height, width in listed]


def _listed(sizes: Tensor | Sequence) -> list[list[float]]:
    try:
        rows = sizes.tolist() if isinstance(sizes, Tensor) else sizes
        return [[float(own) for own in size] for size in rows]
    except (TypeError, ValueError) as error:
        raise PaddingError(f"sizes must be (N, 2), height and width of each image, not {sizes!r}") from error


def _finished(state: Valid | None, tensor: Tensor) -> Tensor:
    return unmarked(tensor if state is None else filled(tensor, state))


def _rows(state: Valid | None, tensor: Tensor, images: int) -> Tensor | None:
    """The valid interval of each spatial axis.

    Raises:
        PaddingError: another axis than these is cut, or the images are not on the first.
    """
    if state is not None and any(axis < 2 for axis in state.cut):
        raise PaddingError(
            f"the model returns a tensor {tuple(tensor.shape)} whose axis {state.cut[0]} ends elsewhere for each "
            "image; outputs must be (N, C, *spatial)"
        )
    if state is not None and (tensor.dim() == 0 or state.batch != 0 or len(tensor) != images):
        raise PaddingError(
            f"the model returns a tensor {tuple(tensor.shape)} for {images} images; an output's first axis must be the "
            "images'"
        )
    if state is None or tensor.dim() < 3:
        return None
    whole = [[(0, size)] * len(tensor) for size in tensor.shape[2:]]
    columns = [cut or full for cut, full in zip(state.axes[2:], whole, strict=True)]
    return torch.tensor(list(zip(*columns, strict=True)))


def _sizes_of(parts: Sequence[Tensor]) -> Tensor | None:
    if parts[0].dim() < 3:
        return None
    return torch.tensor([[(0, size) for size in part.shape[2:]] for part in parts])
