"""Sums, means and maxima: over valid positions only."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result
from padding.masked.fill import highest, lowest
from padding.masked.registry import rule
from padding.masked.rules.arithmetic import position_by_position
from padding.masked.rules.axes import rearranged
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Valid, axis_vectors, make_valid

_SIGNATURES = {
    "norm": ("input", "p", "dim", "keepdim"),
    "vector_norm": ("input", "ord", "dim", "keepdim"),
    "std": ("input", "dim", "unbiased", "keepdim"),
    "var": ("input", "dim", "unbiased", "keepdim"),
}


@rule("all", "amax", "amin", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", *_SIGNATURES, "sum")
def reduced(call: Call) -> Result:
    """Over axes that are not cut as ever; over others by a form of its own, or image by image."""
    tensor, state = call.input()
    if len(call.states) > 1:  # the larger of two tensors
        return position_by_position(call)
    name = call.function.__name__
    bound = call.bind(*_SIGNATURES.get(name, ("input", "dim", "keepdim")), dim=None, keepdim=False, dtype=None)
    dims = bound.dim if isinstance(bound.dim, tuple | list) else () if bound.dim is None else (bound.dim,)
    dims = tuple(dim % tensor.dim() for dim in dims)
    if not dims or state.batch is None or state.batch in dims:
        if state.cut:
            raise UnfollowableError("it reduces over all images at once; name the axes")
        return image_by_image(call)
    if not set(dims) & set(state.cut):
        output = call.run()
    elif name in _OVER_VALID:
        tensor = tensor if bound.dtype is None else tensor.to(bound.dtype)
        output = _OVER_VALID[name](call, tensor, state, dims)
        output = output if bound.keepdim else output.squeeze(dims)
    else:
        return image_by_image(call)
    source = [None if axis in dims else axis for axis in range(tensor.dim()) if bound.keepdim or axis not in dims]
    return rearranged(output, source, state)


def _sum(call: Call, tensor: Tensor, state: Valid, dims: tuple[int, ...]) -> Tensor:
    return call.clear(tensor, state).sum(dims, keepdim=True)


def _mean(call: Call, tensor: Tensor, state: Valid, dims: tuple[int, ...]) -> Tensor:
    """The mean of each image's own positions: their sum over their number; 0 where there is none."""
    # A sum of half-precision numbers may be larger than any of them.
    wide = torch.promote_types(tensor.dtype, torch.float32)
    total = call.clear(tensor, state).sum(dims, keepdim=True, dtype=wide)
    for axis in set(dims) & set(state.cut):
        counts = [[max(1, stop - start)] for start, stop in state.axes[axis]]
        total = total / axis_vectors(counts, axis, total, state.batch)
    return (total / prod(tensor.shape[axis] for axis in dims if axis not in state.cut)).to(tensor.dtype)


def _extreme(name: str, neutral: Callable[[torch.dtype], float]) -> Callable[..., Tensor]:
    def reduce(call: Call, tensor: Tensor, state: Valid, dims: tuple[int, ...]) -> Tensor:
        return getattr(torch, name)(call.clear(tensor, state, neutral(tensor.dtype)), dims, keepdim=True)

    return reduce


_OVER_VALID = {"mean": _mean, "sum": _sum, "amax": _extreme("amax", lowest), "amin": _extreme("amin", highest)}


@rule(*(f"adaptive_{kind}_pool{axes}d" for kind in ("avg", "max") for axes in (1, 2, 3)))
def pooled_to_size(call: Call) -> Result:
    """To 1: over valid positions. To other sizes: image by image, since the bins depend on the image's size."""
    tensor, state = call.input()
    kind, axes = call.function.__name__.split("_")[1], int(call.function.__name__[-2])
    bound = call.bind("input", "output_size", "return_indices", return_indices=False)
    target = bound.output_size if isinstance(bound.output_size, tuple | list) else (bound.output_size,)
    if not state.cut and not bound.return_indices:
        output = call.run()
        return Result(output, [make_valid(output.shape, state.axes, state.batch)])
    if set(target) != {1} or bound.return_indices:
        return image_by_image(call)
    spatial = tuple(range(tensor.dim() - axes, tensor.dim()))
    output = _OVER_VALID["mean" if kind == "avg" else "amax"](call, tensor, state, spatial)
    return rearranged(output, [None if axis in spatial else axis for axis in range(tensor.dim())], state)
