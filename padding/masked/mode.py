"""Tracks the valid part of each tensor while a network runs, without changes to its code."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode, resolve_name

from padding.errors import PaddingError, UnfollowableError
from padding.masked.call import RULES, Call, Result, getter, leaves, map_leaves, namesakes, tensors_in
from padding.masked.extents import GROW
from padding.masked.lengths import MaskedRun, Sized, plain, sized
from padding.masked.rules.singly import image_by_image
from padding.masked.state import Valid

# An attribute of the tensor, not a table by id, because a new tensor may get the id of a freed one.
_MARK = "_padding_valid"

_PROPERTIES = """
ndim dtype device layout requires_grad is_cuda is_meta is_leaf is_quantized is_sparse is_mps is_xpu is_mkldnn is_nested
names grad_fn itemsize nbytes _version
"""
_METHODS = """
dim ndimension stride nelement element_size is_contiguous is_floating_point is_complex is_same_size is_inference is_conj
get_device has_names data_ptr storage_offset _is_view __len__ result_type
"""
_METADATA = frozenset(
    [
        *(getter(name) for name in _PROPERTIES.split() if hasattr(Tensor, name)),
        *namesakes(*_METHODS.split()),
        torch._assert,
        torch.device,
        torch._C._set_grad_enabled,
        torch.ops.profiler._record_function_enter_new,
        torch.ops.profiler._record_function_exit._RecordFunction,
    ]
)
"""Functions that read metadata only, not values; passed through unchanged."""

_SIZES = frozenset([getter("shape"), *namesakes("size", "numel")])

_READS_SIZES = frozenset(namesakes("view", "reshape", "unflatten"))
"""Functions that follow their rule even if sizes are among their arguments; others then run image by image."""


class Masking(TorchFunctionMode):
    """Tracks which part of each tensor is valid; raises UnfollowableError at a function that it cannot follow.

    Every tensor carries its state and its run as an attribute. A tensor without them that is no parameter or buffer of
    the network was made where the mode could not see it, in another thread or an earlier run; it raises the error, too.
    """

    def __init__(self, model: nn.Module, images: int, rule: str):
        super().__init__()
        self.images, self.rule = images, rule
        self.recorded = torch.is_grad_enabled()
        # One loop, because named_parameters and named_buffers would each walk over all modules.
        self._constants = {
            id(tensor)
            for module in model.modules()
            for tensor in (*module._parameters.values(), *module._buffers.values())
        }
        # Tensors that the network stores keep their marks after the run, so a mark refers to this small object only.
        self.run = MaskedRun()

    def state(self, tensor: Tensor) -> Valid | None:
        """The state of a tensor; None for a constant.

        Raises:
            UnfollowableError: the tensor is neither marked by this run nor a parameter or buffer.
        """
        run, state = getattr(tensor, _MARK, (None, None))
        if run is self.run:
            return state
        if id(tensor) in self._constants:
            return None
        raise UnfollowableError(
            f"it reads a tensor of unknown origin, shape {tuple(tensor.shape)}: no parameter or buffer of the network, "
            "and made by nothing that could be followed"
        )

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function in _METADATA:
            return function(*args, **kwargs)
        if function in _SIZES:
            return self._sizes(function, args, kwargs)
        try:
            result = self._follow(function, args, kwargs)
        except UnfollowableError as error:
            name = resolve_name(function) or getattr(function, "__qualname__", None) or repr(function)
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors_in((args, kwargs))) or "no tensor"
            raise UnfollowableError(f"masks cannot be followed through {name} on {shapes}: {error}") from None
        for tensor, state in zip(tensors_in(result.output), result.states, strict=True):
            self.attach(tensor, state)
        return result.output

    def _sizes(self, function: Any, args: tuple, kwargs: dict) -> Any:
        """The sizes of the canvas; under `fixed` together with the sizes of each image alone."""
        run, state = getattr(args[0], _MARK, (None, None))
        found = function(*args, **kwargs)
        if run is not self.run or state is None or self.rule == GROW:
            return found
        shape = enumerate(args[0].shape)
        sizes = [sized(size, _own_sizes(size, axis, state, self.images), run) for axis, size in shape]
        if function.__name__ == "numel":
            return math.prod(sizes)
        return torch.Size(sizes) if isinstance(found, torch.Size) else sizes[(args[1:] or tuple(kwargs.values()))[0]]

    def _follow(self, function: Any, args: tuple, kwargs: dict) -> Result:
        found = leaves((args, kwargs))
        states = [(each, self.state(each)) for each in found if isinstance(each, Tensor)]
        own = None
        # Few calls get sizes as arguments; only these pay for a second set of arguments.
        if len(states) < len(found):
            if any(isinstance(each, Sized) and each.run is self.run for each in found):
                own = args, kwargs
            args, kwargs = map_leaves((args, kwargs), plain)
        result = self._apply(Call(function, args, kwargs, states, self.images, self.rule, self.recorded, own))
        if self.images > 1 and any(state is not None and state.batch is None for state in result.states):
            raise UnfollowableError("it mixes the images of the batch, or their axis is lost")
        return result

    def _apply(self, call: Call) -> Result:
        constant = all(state is None for _, state in call.states)
        if call.sized is not None and (constant or call.function not in _READS_SIZES):
            if call.in_place:
                raise UnfollowableError("it writes by sizes that each image alone has otherwise")
            return image_by_image(call)
        # Values computed from parameters and buffers only are equal for every image.
        if constant:
            output = call.run()
            return Result(output, [None for _ in tensors_in(output)])
        follow = RULES.get(call.function)
        if follow is not None:
            return follow(call)
        if call.cut or call.in_place:
            raise UnfollowableError("there is no rule for it")
        found = image_by_image(call)  # right for any function: it runs on each image alone
        if not found.states:
            raise UnfollowableError("it takes values out of the images' tensors")
        return found

    def attach(self, tensor: Tensor, state: Valid | None) -> None:
        """Marks a tensor with its state."""
        if state is None and id(tensor) in self._constants:
            return  # a parameter that a function returned, as `to` may; parameters carry no marks
        run, known = getattr(tensor, _MARK, (None, None))
        if run is self.run and known != state and tensor._is_view():
            raise PaddingError(
                "a view was changed in place by a tensor that is valid elsewhere; its base would not know"
            )
        setattr(tensor, _MARK, (self.run, state))


def _own_sizes(size: int, axis: int, state: Valid, images: int) -> list[int]:
    if axis == state.batch:
        return [size // images] * images
    cut = state.axes[axis]
    return [size] * images if cut is None else [stop - start for start, stop in cut]


def unmarked(tensor: Tensor) -> Tensor:
    """Removes the mark of the run from a tensor, because outputs go to other processes and into files."""
    tensor.__dict__.pop(_MARK, None)
    return tensor
