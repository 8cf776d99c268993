"""Rules of reductions and other functions along axes: on the canvas along axes that every image fills, means over the
valid positions of other axes, all else image by image.
"""

from math import prod

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, result, rule
from padding.masked.rules.arithmetic import position_by_position
from padding.masked.rules.axes import rearranged
from padding.masked.rules.singly import batched, image_by_image
from padding.masked.state import Valid, axis_vectors

_SIGNATURES = {
    "norm": ("input", "p", "dim", "keepdim"),
    "vector_norm": ("input", "ord", "dim", "keepdim"),
    "std": ("input", "dim", "unbiased", "keepdim"),
    "var": ("input", "dim", "unbiased", "keepdim"),
}


@rule("all", "amax", "amin", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", *_SIGNATURES, "sum")
def reduced(call: Call) -> Result:
    """Reduces uncut axes on the canvas, and cut axes by a mean of the valid positions; all else image by image."""
    tensor, state = call.input()
    if len(call.states) > 1:  # max or min of two tensors
        return position_by_position(call)
    name = call.function.__name__
    bound = call.bind(*_SIGNATURES.get(name, ("input", "dim", "keepdim")), dim=None, keepdim=False, dtype=None)
    dims = bound.dim if isinstance(bound.dim, tuple | list) else () if bound.dim is None else (bound.dim,)
    dims = tuple(dim % tensor.dim() for dim in dims)
    if state.cut and (not dims or state.batch in dims):
        raise UnfollowableError("it reduces over all images at once; name the axes")
    cut = set(dims) & set(state.cut)
    if not dims or state.batch is None or state.batch in dims or (cut and (name != "mean" or bound.dtype is not None)):
        return image_by_image(call)
    output = _mean(call, tensor, state, dims, bound.keepdim) if cut else call.run()
    source = [None if axis in dims else axis for axis in range(tensor.dim()) if bound.keepdim or axis not in dims]
    return rearranged(output, source, state)


def _mean(call: Call, tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool = True) -> Tensor:
    """The mean over each image's own positions; 0 if an image has none."""
    # In at least float32, because a sum in half precision may overflow.
    wide = torch.promote_types(tensor.dtype, torch.float32)
    total = call.clear(tensor, state).sum(dims, keepdim=True, dtype=wide)
    for axis in set(dims) & set(state.cut):
        # Under `grow` an image may have no valid position left; then its sum and its mean are 0.
        counts = [[max(1, stop - start)] for start, stop in state.cut[axis]]
        total = total / axis_vectors(counts, axis, total, state.batch)
    total = (total / prod(tensor.shape[axis] for axis in dims if axis not in state.cut)).to(tensor.dtype)
    return total if keepdim else total.squeeze(dims)


@rule(*(f"adaptive_{kind}_pool{axes}d" for kind in ("avg", "max") for axes in (1, 2, 3)))
def pooled_to_size(call: Call) -> Result:
    """Averages to one position as a mean; other targets image by image, since the bins depend on the image's size."""
    tensor, state = call.input()
    name = call.function.__name__
    target = call.bind("input", "output_size").output_size
    if not state.cut and state.batch == 0:
        return result(call.run(), None, batch=0)
    if "avg" not in name or {*(target if isinstance(target, tuple | list) else (target,))} != {1}:
        return image_by_image(call)
    spatial = range(tensor.dim() - int(name[-2]), tensor.dim())
    source = [None if axis in spatial else axis for axis in range(tensor.dim())]
    return rearranged(_mean(call, tensor, state, tuple(spatial)), source, state)


def _along(call: Call, *dims: int) -> Result:
    """Runs a function that keeps the shape and mixes positions along `dims` only."""
    tensor, state = call.input()
    mixed = any(dim % tensor.dim() in (*state.cut, state.batch) for dim in dims)
    return image_by_image(call) if mixed else call.run_like(state)


@rule("softmax", "log_softmax", "softmin", "cumsum", "cumprod", "logcumsumexp", "glu")
def along_dim(call: Call) -> Result:
    bound = call.bind("input", "dim", dim=None)
    if bound.dim is None:
        raise UnfollowableError("it does not say along which axis")
    return _along(call, bound.dim)


@rule("normalize", "cosine_similarity", "prelu")
def along_channels(call: Call) -> Result:
    return _along(call, call.bind("input", "p", "dim", dim=1).dim)


@rule("layer_norm", "rms_norm")
def layer_norm(call: Call) -> Result:
    shape = call.bind("input", "normalized_shape").normalized_shape
    return _along(call, *range(-len(shape), 0))


@rule("batch_norm")
def batch_norm(call: Call) -> Result:
    """Batch norm in evaluation mode: it scales each channel by constants that do not depend on the batch."""
    names = "input", "running_mean", "running_var", "weight", "bias", "training"
    if call.bind(*names, training=False).training:
        raise UnfollowableError(
            "it normalises by the batch, holes and all; put the model into evaluation mode: model.eval()"
        )
    return _along(call)


@rule("linear")
def linear(call: Call) -> Result:
    tensor, state = call.input()
    if any(each is not None for _, each in call.states[1:]):
        raise UnfollowableError("its weights are computed from the images")
    if tensor.dim() - 1 in state.cut:
        raise UnfollowableError("it mixes the positions of an axis on which the images end at different positions")
    return call.run_like(state)


@rule("matmul", "__matmul__", "__rmatmul__", "mm")
def matmul(call: Call) -> Result:
    """Multiplies by a constant matrix like a linear layer; other products take each image's own matrices."""
    first, second = [*call.args, *call.kwargs.values()][:2]
    state = call.valid(first)
    mixed = () if state is None else (*state.cut, state.batch)
    constant = isinstance(second, Tensor) and second.dim() == 2 and call.valid(second) is None
    if state and constant and call.function.__name__ != "__rmatmul__" and first.dim() - 1 not in mixed:
        return call.run_like(state)
    return batched(call)
