"""Sums, means and maxima: over valid positions only."""

from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from ..call import Call, Result, Unfollowable, whole_results
from ..fill import filled
from ..registry import rule
from ..state import Valid, axis_vectors, make_valid
from .axes import rearranged
from .singly import image_by_image


@rule("mean", "sum", "nansum", "amax", "amin", "max", "min", "var", "std", "norm", "logsumexp", "argmax", "argmin", "all", "any", "var_mean", "vector_norm")
def reduced(call: Call) -> Result:
    tensor, state = call.input()
    name = call.function.__name__
    if not state.cut and state.batch is None:
        return whole_results(call.run())
    if name in ("max", "min") and len(call.states) > 1:
        from .arithmetic import position_by_position

        return position_by_position(call)
    dims, keepdim = _dimensions(call, tensor)
    if dims is None or state.batch in dims:
        if not state.cut:
            return whole_results(call.run())
        raise Unfollowable("it reduces over all images at once; name the axes")
    reduce = _OVER_VALID.get(name)
    if not set(dims) & set(state.cut):
        return _reduced(call, call.run(), tensor, state, dims, keepdim)
    if reduce is None:
        if not keepdim:
            raise Unfollowable("it has no form for positions that are not valid")
        return image_by_image(call)
    return _reduced(call, reduce(tensor, state, dims, keepdim), tensor, state, dims, keepdim)


def _dimensions(call: Call, tensor: Tensor) -> tuple[tuple[int, ...] | None, bool]:
    names = ("input", "p", "dim", "keepdim") if call.function.__name__ == "norm" else ("input", "dim", "keepdim")
    if call.function.__name__ in ("var", "std", "vector_norm") and len(call.args) > 2:
        raise Unfollowable("its arguments are given by position; give dim and keepdim by name")
    if call.function.__name__ == "vector_norm":
        names = ("input", "ord", "dim", "keepdim")
    bound = call.bind(*names, dim=None, keepdim=False)
    if bound.dim is None:
        return None, False
    dims = bound.dim if isinstance(bound.dim, tuple | list) else (bound.dim,)
    return tuple(dim % tensor.dim() for dim in dims), bool(bound.keepdim)


def _reduced(call: Call, output, tensor: Tensor, state: Valid, dims: tuple, keepdim: bool) -> Result:
    if keepdim:
        source = [None if axis in dims else axis for axis in range(tensor.dim())]
    else:
        source = [axis for axis in range(tensor.dim()) if axis not in dims]
    return rearranged(call, output, source, state)


def _sum(tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    return filled(tensor, state).sum(dims, keepdim=keepdim)


def mean_over_valid(tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """The mean of each image's own positions: the sum over their number."""
    total = filled(tensor, state).sum(dims, keepdim=True)
    for axis in dims:
        if axis in state.cut:
            counts = [[stop - start] for start, stop in state.axes[axis]]
            total = total / axis_vectors(counts, axis, total, state.batch).to(total.dtype)
    total = total / prod(tensor.shape[axis] for axis in dims if axis not in state.cut)
    return total if keepdim else total.squeeze(dims)


def _extreme(value: float, name: str):
    def reduce(tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool) -> Tensor:
        return getattr(torch, name)(filled(tensor, state, value), dims, keepdim=keepdim)

    return reduce


_OVER_VALID = {
    "mean": mean_over_valid,
    "sum": _sum,
    "amax": _extreme(float("-inf"), "amax"),
    "amin": _extreme(float("inf"), "amin"),
}


@rule("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d", "adaptive_max_pool3d")
def pooled_to_size(call: Call) -> Result:
    """To 1: over valid positions. To other sizes: image by image, since the bins depend on the image's size."""
    tensor, state = call.input()
    axes = int(call.function.__name__.rstrip("d")[-1])
    spatial = tuple(range(tensor.dim() - axes, tensor.dim()))
    size = call.bind("input", "output_size", "return_indices", return_indices=False)
    target = size.output_size if isinstance(size.output_size, tuple | list) else (size.output_size,) * axes
    mean = "avg" in call.function.__name__
    if not state.cut:
        return Result(call.run(), [make_valid(call.run().shape, state.axes, state.batch)]) if mean else whole_results(call.run())
    if set(target) == {1} and not size.return_indices:
        reduce = mean_over_valid if mean else _OVER_VALID["amax"]
        output = reduce(tensor, state, spatial, True)
        return _reduced(call, output, tensor, state, spatial, True)
    return image_by_image(call)
