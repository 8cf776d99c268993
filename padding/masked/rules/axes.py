"""Functions that move, name and cut axes: the valid part goes where its axis goes."""

from collections.abc import Sequence
from math import prod

from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Output, Result, tensors_in, whole_results
from padding.masked.extents import GROW
from padding.masked.registry import getters, rule, rule_for
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Valid, from_lengths, make_valid


def rearranged(output: Output, source: Sequence[int | None], state: Valid) -> Result:
    """The result of a function whose output axis i is the input's axis `source[i]`, or a new one where that is None."""
    axes = [None if axis is None else state.axes[axis] for axis in source]
    batch = source.index(state.batch) if state.batch in source and state.batch is not None else None
    if batch is None and any(each is not None for each in axes):
        raise UnfollowableError("the axis of the images is lost")
    return Result(output, [make_valid(tensor.shape, axes, batch) for tensor in tensors_in(output)])


@rule("permute")
def permuted(call: Call) -> Result:
    tensor, state = call.input()
    dims = call.args[1:] if len(call.args) > 1 else (call.kwargs["dims"],)
    if len(dims) == 1 and isinstance(dims[0], tuple | list):
        dims = dims[0]
    return rearranged(call.run(), [dim % tensor.dim() for dim in dims], state)


_PAIRS = {
    "transpose": ("dim0", "dim1"),
    "transpose_": ("dim0", "dim1"),
    "swapdims": ("dim0", "dim1"),
    "swapaxes": ("axis0", "axis1"),
}


@rule(*_PAIRS)
def transposed(call: Call) -> Result:
    tensor, state = call.input()
    given = call.bind("input", *_PAIRS[call.function.__name__])
    first, second = (given[name] for name in _PAIRS[call.function.__name__])
    order = list(range(tensor.dim()))
    order[first], order[second] = order[second], order[first]
    return rearranged(call.run(), order, state)


def _turned(call: Call) -> Result:
    tensor, state = call.input()
    order = list(range(tensor.dim()))
    order[-2:] = order[-1], order[-2]
    return rearranged(call.run(), order, state)


for _getter in getters("mT"):
    rule_for(_getter)(_turned)


@rule("t")
def of_a_matrix(call: Call) -> Result:
    tensor, state = call.input()
    return rearranged(call.run(), list(range(tensor.dim()))[::-1], state)


for _getter in getters("T"):
    rule_for(_getter)(of_a_matrix)


@rule("unsqueeze", "unsqueeze_")
def unsqueezed(call: Call) -> Result:
    tensor, state = call.input()
    dim = call.bind("input", "dim").dim % (tensor.dim() + 1)
    order = list(range(tensor.dim()))
    return rearranged(call.run(), [*order[:dim], None, *order[dim:]], state)


@rule("squeeze", "squeeze_")
def squeezed(call: Call) -> Result:
    """Only axes that have one position for every image, and on the canvas."""
    tensor, state = call.input()
    dims = call.args[1:] or tuple(call.kwargs.values())
    dims = dims[0] if dims and isinstance(dims[0], tuple | list) else dims
    if not dims:
        raise UnfollowableError("it drops whichever axes have one position, perhaps that of the images; name the axis")
    dropped = {dim % tensor.dim() for dim in dims if tensor.shape[dim] == 1}
    if state.batch in dropped:
        raise UnfollowableError("it drops the axis of the images")
    return rearranged(call.run(), [axis for axis in range(tensor.dim()) if axis not in dropped], state)


@rule("chunk", "split", "split_with_sizes", "unsafe_chunk", "tensor_split")
def divided(call: Call) -> Result:
    """Along an axis that is not cut; each part is valid as the whole was."""
    tensor, state = call.input()
    # torch.split calls its second argument by another name than Tensor.split.
    dim = (call.args[2] if len(call.args) > 2 else call.kwargs.get("dim", 0)) % tensor.dim()
    if dim in state.cut:
        return image_by_image(call)
    if dim == state.batch:
        raise UnfollowableError("it divides the batch")
    output = call.run()
    return Result(output, [make_valid(part.shape, state.axes, state.batch) for part in output])


@rule("unbind")
def unbound(call: Call) -> Result:
    tensor, state = call.input()
    dim = call.bind("input", "dim", dim=0).dim % tensor.dim()
    if dim == state.batch or dim in state.cut:
        raise UnfollowableError("it takes apart an axis on which the images end at different positions, or the batch")
    return rearranged(call.run(), [axis for axis in range(tensor.dim()) if axis != dim], state)


@rule("view", "reshape", "flatten", "unflatten", "view_as", "reshape_as")
def reshaped(call: Call) -> Result:
    """Where each cut axis stays an axis; else image by image, so that a row of tokens begins with the valid ones."""
    tensor, state = call.input()
    if len(call.args) == 2 and not isinstance(call.args[1], int | tuple | list | Tensor):
        return Result(call.run(), [state])  # view(dtype)
    if not state.cut and state.batch is None:
        return whole_results(call.run())
    output = _on_canvas(call)
    kept = None if output is None else _kept_axes(tensor.shape, output.shape, state, call.images)
    if kept is not None:
        return rearranged(output, kept, state)
    if state.cut and call.mode.lockstep is None:
        raise UnfollowableError("it merges or divides an axis on which the images end at different positions")
    return image_by_image(call)


def _on_canvas(call: Call) -> Tensor | None:
    """The canvas in the new shape; None where it has not the sizes that the code knows, as behind a merged axis."""
    try:
        return call.run()
    except RuntimeError:
        return None


def _kept_axes(before: Sequence[int], after: Sequence[int], state: Valid, images: int) -> list[int | None] | None:
    """For each axis of the new shape the old one that it is; None where an axis that matters is merged or divided.

    Where nothing is cut, the images' axis may take up the axes behind it or give them back.
    """
    if not state.cut:
        ahead = prod(before[: state.batch])
        found = [new for new in range(len(after)) if prod(after[:new]) == ahead and after[new] % images == 0]
        return [state.batch if new == found[0] else None for new in range(len(after))] if found else None
    source: list[int | None] = [None] * len(after)
    for axis in sorted({*state.cut, *(() if state.batch is None else (state.batch,))}):
        ahead = prod(before[:axis])
        found = [new for new in range(len(after)) if prod(after[:new]) == ahead and after[new] == before[axis]]
        if not found:
            return None
        source[found[0]] = axis
    return source


@rule("expand", "expand_as", "broadcast_to")
def expanded(call: Call) -> Result:
    """Along an axis that has one position: what it is repeated for is as long as the twins say."""
    tensor, state = call.input()
    output = call.run()
    missing = output.dim() - tensor.dim()
    axes = [*[None] * missing, *state.axes]
    grown = [
        axis for axis in range(output.dim()) if axis < missing or tensor.shape[axis - missing] != output.shape[axis]
    ]
    batch = None if state.batch is None else state.batch + missing
    if call.function.__name__ == "expand_as":
        other = call.valid(call.args[1])
        for axis in grown:
            axes[axis] = None if other is None else other.axes[axis]
    elif call.mode.lockstep is not None:
        shapes = [call.mode.lockstep.outputs(call, image)[0] for image in range(call.images)]
        for axis in grown:
            axes[axis] = from_lengths(shape[axis] for shape in shapes)
    elif grown:
        raise UnfollowableError("it repeats values along an axis whose length may depend on the image's size")
    # Repeated positions share memory, in which nothing could be filled.
    return Result(output.contiguous(), [make_valid(output.shape, axes, batch)])


@rule("__getitem__", "select")
def indexed(call: Call) -> Result:
    """Whole cut axes stay; a slice of a cut axis is taken image by image."""
    tensor, state = call.input()
    if not state.cut and call.images == 1:
        return image_by_image(call)
    source = _sources(call, tensor)
    keeps = source is not None and all(axis in source for axis in (*state.cut, state.batch))
    if keeps and (call.mode.lockstep is None or call.mode.lockstep.told_alike(call)):
        return rearranged(call.run(), source, state)
    if state.cut and call.rule == GROW:
        raise UnfollowableError("it takes part of an axis on which the images end at different positions")
    if state.cut:
        _refuse_images_index(call, tensor, state)
    return image_by_image(call)


def _sources(call: Call, tensor: Tensor) -> list[int | None] | None:
    """For each axis of the output the one of the input that it is all of; None where that cannot be said.

    An axis of which a part is taken counts as a new one.
    """
    if call.function.__name__ == "select":
        bound = call.bind("input", "dim", "index")
        dim = bound.dim % tensor.dim()
        return [axis for axis in range(tensor.dim()) if axis != dim]
    index = call.args[1] if isinstance(call.args[1], tuple) else (call.args[1],)
    if any(not (each is None or each is Ellipsis or isinstance(each, int | slice)) for each in index):
        return None
    named = sum(1 for each in index if each is not None and each is not Ellipsis)
    position = index.index(Ellipsis) if Ellipsis in index else len(index)
    index = (*index[:position], *[slice(None)] * (tensor.dim() - named), *index[position + 1 :])
    source, axis = [], 0
    for each in index:
        if each is None:
            source.append(None)
            continue
        if isinstance(each, slice):
            source.append(axis if each == slice(None) else _PART)
        axis += 1
    return [None if each is _PART else each for each in source]


_PART = object()


def _refuse_images_index(call: Call, tensor: Tensor, state: Valid) -> None:
    source = _sources(call, tensor)
    if source is not None and state.batch not in source:
        raise UnfollowableError("it takes some of the images")
