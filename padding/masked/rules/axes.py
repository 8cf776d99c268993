"""Rules of functions that move, reshape or slice axes: the valid interval moves with its axis."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Output, Result, getter, map_tensors, result, rule, rule_for, tensors_in
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Valid


def rearranged(output: Output, source: Sequence[int | None], state: Valid) -> Result:
    """Makes the Result of a function whose output axis i is the input's axis `source[i]`, or a new axis if None."""
    axes = [None if axis is None else state.axes[axis] for axis in source]
    batch = source.index(state.batch) if state.batch in source and state.batch is not None else None
    if batch is None and any(each is not None for each in axes):
        raise UnfollowableError("the axis of the images is lost")
    return result(output, axes, batch)


_VIEWS = """
permute transpose transpose_ swapdims swapaxes movedim moveaxis t squeeze squeeze_ unsqueeze unsqueeze_
chunk split split_with_sizes unsafe_chunk tensor_split unbind select __getitem__
"""
# Strides of a probe tensor. Primes identify the axes in any view, because a slice's step multiplies strides.
_PRIMES = (104729, 104723, 104717, 104711, 104707, 104701, 104693, 104683, 104681, 104677)


@rule_for(getter("T"), getter("mT"))
@rule(*_VIEWS.split())
def viewed(call: Call) -> Result:
    """Runs views that keep each cut axis and the batch whole on the canvas, other views image by image."""
    tensor, state = call.input()
    sources = _sources(call, tensor)
    kept = {*state.cut, state.batch} - {None}
    if not sources or not all(kept <= set(source) for source in sources):
        return image_by_image(call)
    output = call.run()
    pairs = zip(tensors_in(output), sources, strict=True)
    return Result(output, [rearranged(part, source, state).states[0] for part, source in pairs])


def _sources(call: Call, tensor: Tensor) -> list[list[int | None]]:
    """For each output, the input's axis that each of its axes holds whole, or None; empty if they are no views."""
    if len(call.states) > 1:
        return []
    with torch.inference_mode(False):  # under inference mode, views cannot be recognised
        probe = torch.empty_strided(tensor.shape, _PRIMES[: tensor.dim()], device="meta")
        args, kwargs = map_tensors((call.args, call.kwargs), lambda _: probe)
        views = tensors_in(call.function(*args, **kwargs))
    axes = {(stride, size): axis for axis, (stride, size) in enumerate(zip(_PRIMES, tensor.shape, strict=False))}
    if not all(view._is_view() for view in views):
        return []
    return [[axes.get(each) for each in zip(view.stride(), view.shape, strict=True)] for view in views]


@rule("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")
def reshaped(call: Call) -> Result:
    """Reshapes the canvas if each cut axis stays an axis; else image by image, so that valid tokens come first."""
    tensor, state = call.input()
    if not state.cut and state.batch is None:
        return result(call.run(), None, batch=None)
    try:
        output = call.run()
    except RuntimeError:  # after axes were merged, the canvas may not have the size that the code computes
        return image_by_image(call)
    kept = _kept_axes(tensor.shape, output.shape, state, call.images)
    return image_by_image(call) if kept is None else rearranged(output, kept, state)


def _kept_axes(before: Sequence[int], after: Sequence[int], state: Valid, images: int) -> list[int | None] | None:
    """For each axis of the new shape, the equal old axis or None; None for all if an axis to keep is merged or split.

    If no axis is cut, the images' axis may be merged with the axes after it, or split again.
    """
    source: list[int | None] = [None] * len(after)
    for axis in sorted(axis for axis in {*state.cut, state.batch} if axis is not None):
        ahead = prod(before[:axis])
        fits = [size == before[axis] if state.cut else size % images == 0 for size in after]
        # Another axis may have the same size; the number of positions before it identifies the axis.
        found = [new for new, fit in enumerate(fits) if fit and prod(after[:new]) == ahead]
        if not found:
            return None
        source[found[0]] = axis
    return source
