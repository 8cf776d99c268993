"""Sums, means and maxima: over valid positions only."""

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Output, Result
from padding.masked.fill import filled, highest, lowest
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
_SIGNATURE = ("input", "dim", "keepdim")


@rule("all", "amax", "amin", "any", "argmax", "argmin", "logsumexp", "max", "mean", "min", *_SIGNATURES, "sum")
def reduced(call: Call) -> Result:
    """Over axes that are not cut as ever; over others by a form of its own, or image by image."""
    tensor, state = call.input()
    if len(call.states) > 1:  # the larger of two tensors
        return position_by_position(call)
    dims, keepdim = _dimensions(call, tensor)
    if dims is None or state.batch is None or state.batch in dims:
        if state.cut:
            raise UnfollowableError("it reduces over all images at once; name the axes")
        return image_by_image(call)
    form = _OVER_VALID.get(call.function.__name__)
    if not set(dims) & set(state.cut):
        output = call.run()
    elif form is not None:
        output = form(_converted(call, tensor), state, dims, keepdim)
    elif keepdim:
        return image_by_image(call)
    else:
        raise UnfollowableError("its result has fewer axes; say keepdim=True and squeeze it")
    return _without(dims, keepdim, output, tensor, state)


def _dimensions(call: Call, tensor: Tensor) -> tuple[tuple[int, ...] | None, bool]:
    """The axes that are reduced, None for all of them, and whether they stay."""
    names = _SIGNATURES.get(call.function.__name__, _SIGNATURE)
    bound = call.bind(*names, dim=None, keepdim=False)
    if bound.dim is None:
        return None, False
    dims = bound.dim if isinstance(bound.dim, tuple | list) else (bound.dim,)
    return tuple(dim % tensor.dim() for dim in dims) or None, bool(bound.keepdim)


def _converted(call: Call, tensor: Tensor) -> Tensor:
    dtype = call.kwargs.get("dtype")
    return tensor if dtype is None else tensor.to(dtype)


def _without(dims: tuple[int, ...], keepdim: bool, output: Output, tensor: Tensor, state: Valid) -> Result:
    axes = [None if axis in dims else axis for axis in range(tensor.dim()) if keepdim or axis not in dims]
    return rearranged(output, axes, state)


def _sum(tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    return filled(tensor, state).sum(dims, keepdim=keepdim)


def mean_over_valid(tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """The mean of each image's own positions: their sum over their number; 0 where there is none."""
    # A sum of half-precision numbers may be larger than any of them.
    total = filled(tensor, state).sum(dims, keepdim=True, dtype=torch.promote_types(tensor.dtype, torch.float32))
    for axis in set(dims) & set(state.cut):
        counts = [[max(1, stop - start)] for start, stop in state.axes[axis]]
        total = total / axis_vectors(counts, axis, total, state.batch)
    total = (total / prod(tensor.shape[axis] for axis in dims if axis not in state.cut)).to(tensor.dtype)
    return total if keepdim else total.squeeze(dims)


def _extreme(name: str, neutral: Callable[[torch.dtype], float]) -> Callable[..., Tensor]:
    def reduce(tensor: Tensor, state: Valid, dims: tuple[int, ...], keepdim: bool) -> Tensor:
        return getattr(torch, name)(filled(tensor, state, neutral(tensor.dtype)), dims, keepdim=keepdim)

    return reduce


_OVER_VALID = {
    "mean": mean_over_valid,
    "sum": _sum,
    "amax": _extreme("amax", lowest),
    "amin": _extreme("amin", highest),
}


@rule(*(f"adaptive_{kind}_pool{axes}d" for kind in ("avg", "max") for axes in (1, 2, 3)))
def pooled_to_size(call: Call) -> Result:
    """To 1: over valid positions. To other sizes: image by image, since the bins depend on the image's size."""
    tensor, state = call.input()
    kind, axes = call.function.__name__.split("_")[1], int(call.function.__name__[-2])
    bound = call.bind("input", "output_size", "return_indices", return_indices=False)
    target = bound.output_size if isinstance(bound.output_size, tuple | list) else (bound.output_size,)
    spatial = tuple(range(tensor.dim() - axes, tensor.dim()))
    if not state.cut and not bound.return_indices:
        output = call.run()
        return Result(output, [make_valid(output.shape, state.axes, state.batch)])
    if set(target) != {1} or bound.return_indices:
        return image_by_image(call)
    form = _OVER_VALID["mean" if kind == "avg" else "amax"]
    return _without(spatial, True, form(tensor, state, spatial, True), tensor, state)
