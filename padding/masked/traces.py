"""The calls that a network makes for one image alone, found on the meta device, and kept while it stays as it is."""

import copy
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from padding.errors import UnfollowableError
from padding.geometry import resolve
from padding.masked.call import map_tensors, tensors_in
from padding.masked.flow import Flow, Origin, constants_of
from padding.masked.hidden import has_hooks, refuse_hidden
from padding.masked.metadata import METADATA
from padding.schemes.convolve import padded_convolution, zero_padded
from padding.tracing import is_compiled


class Shape(tuple):
    """What stands for a tensor in recorded arguments."""


class Twin(NamedTuple):
    """A call as it was made for one image alone."""

    function: Callable
    arguments: tuple[tuple, dict]
    """The arguments, each tensor replaced by its shape."""
    inputs: list[Shape]
    outputs: list[Shape]
    origins: list[Origin | None]
    """Of each input, its name."""
    memories: list[Origin | None]
    """Of each input, the name of its memory."""
    stale: frozenset[Origin]
    """Memories that it reads and that were written to under another name."""
    shared: list[int | None]
    """For each output, the input whose memory it has."""


class Trace(NamedTuple):
    """The calls of one image alone."""

    calls: list[Twin]
    passed: dict[Origin, Origin]
    stale: frozenset[Origin]
    """As of a call, for what the network returns."""


class Recorder(TorchFunctionMode):
    """Writes down every call that gives or takes a tensor."""

    def __init__(self, model: nn.Module, image: Tensor) -> None:
        super().__init__()
        self.calls: list[Twin] = []
        self.flow = Flow(constants_of(model))
        self.flow.made(-1, [], [image])

    def __torch_function__(self, function: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if function in METADATA:
            return function(*args, **kwargs)
        inputs = tensors_in((args, kwargs))
        shapes = [Shape(tensor.shape) for tensor in inputs]
        arguments = map_tensors((args, kwargs), lambda tensor: Shape(tensor.shape))
        known = [list(map(name, inputs)) for name in (self.flow.origin, self.flow.memory)]
        stale = self.stale(inputs)
        versions = [tensor._version for tensor in inputs]
        output = self._run(function, args, kwargs)
        outputs = tensors_in(output)
        for tensor, version in zip(inputs, versions, strict=True):
            if tensor._version != version and self.flow.origin(tensor) is not None:
                self.flow.wrote(tensor)
        shared = self.flow.made(len(self.calls), inputs, outputs)
        made = [Shape(each.shape) for each in outputs]
        self.calls.append(Twin(function, arguments, shapes, made, *known, stale, shared))
        return output

    def stale(self, tensors: list[Tensor]) -> frozenset[Origin]:
        """The memories of those that were written to under another name."""
        return frozenset(self.flow.memory(tensor) for tensor in tensors if self.flow.is_stale(tensor))

    def _run(self, function: Any, args: tuple, kwargs: dict) -> Any:
        if function is padded_convolution:
            # Only its shape counts; and no ratio of a tensor without numbers may get into the cache.
            input, weight, bias, stride, padding, dilation, groups, _ = args
            geometry = resolve(padding, input.shape[2:], weight.shape[2:], stride, dilation, groups)
            return zero_padded(input, weight, bias, geometry)
        if function is F.batch_norm and not kwargs.get("training"):
            # Four fifths of a network's time here, to find the shape that it was given.
            return torch.empty_like(args[0])
        return function(*args, **kwargs)


class Traces:
    """The twins of one network, by the size of the image; and which canvases were compared with them already."""

    def __init__(self, model: nn.Module) -> None:
        self._model = weakref.ref(model)
        self._copy: nn.Module | None = None
        self._twins: dict[tuple, Trace] = {}
        self.compared: set[tuple] = set()

    def of(self, shape: tuple[int, ...], dtype: torch.dtype) -> Trace:
        """The calls for one image of `shape` (1, C, H, W).

        Raises:
            UnfollowableError: the network does not run on it.
        """
        key = shape, dtype
        known = self._twins.pop(key, None)
        if known is None:
            copied = self._copy or without_numbers(self._model())
            # A hook may hold on to the network, which would then be kept by its own copy for ever.
            self._copy = None if has_hooks(copied) else copied
            known = trace(copied, shape, dtype)
        self._twins[key] = known  # the latest last
        if len(self._twins) > _SIZES_KEPT:
            del self._twins[next(iter(self._twins))]
        return known


_SIZES_KEPT = 512
"""Of one network. A size costs about a kilobyte a call; to trace it again costs tens of milliseconds."""

_KEPT: "weakref.WeakKeyDictionary[nn.Module, tuple[tuple, Traces]]" = weakref.WeakKeyDictionary()


def traces_of(model: nn.Module) -> Traces:
    """What is kept for a network; anew when modules were exchanged, converted, set otherwise, or given other hooks.

    Raises:
        UnfollowableError: something hides the functions that are to be followed.
    """
    layout = tuple([_settings(each) for each in model.modules()])
    known, traces = _KEPT.get(model, (None, None))
    if known != layout:
        refuse_hidden(model)
        traces = Traces(model)
        _KEPT[model] = (layout, traces)
    return traces


_PLAIN = frozenset([int, float, bool, str, type(None), torch.dtype])


def _settings(module: nn.Module) -> tuple:
    """What a module's calls may depend on, as far as a comparison can tell."""
    settings = []
    for name, value in module.__dict__.items():
        kind = type(value)
        if kind in _PLAIN:
            settings.append((name, value))
        elif (kind is tuple or kind is list) and _PLAIN.issuperset(map(type, value)):
            settings.append((name, *value))
    own = [
        (each.dtype, each.shape)
        for each in (*module._parameters.values(), *module._buffers.values())
        if each is not None
    ]
    hooks = (*module._forward_pre_hooks, *module._forward_hooks)
    return id(module), type(module), is_compiled(module), settings, own, hooks


def without_numbers(model: nn.Module) -> nn.Module:
    """A copy on the meta device: what a network keeps of its runs, a table of positions perhaps, stays apart.

    Raises:
        UnfollowableError: the network cannot be copied.
    """
    tensors = [*model.parameters(), *model.buffers()]
    try:
        with torch.inference_mode(False), torch.no_grad():
            return copy.deepcopy(model, {id(tensor): _shape_of(tensor) for tensor in tensors})
    except Exception as error:
        raise UnfollowableError(
            f"{type(model).__name__} cannot be compared with single images, since it cannot be copied "
            f"({type(error).__name__}: {error}); run the images one at a time (padding.forward_singly)"
        ) from error


def _shape_of(tensor: Tensor) -> Tensor:
    empty = torch.empty_like(tensor, device="meta")
    return nn.Parameter(empty, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else empty


def trace(model: nn.Module, shape: tuple[int, ...], dtype: torch.dtype) -> Trace:
    """Runs a network on the meta device on an image of that shape, and returns its calls."""
    try:
        # Tensors of inference mode do not count what is written to them.
        with torch.inference_mode(False), torch.no_grad():
            image = torch.empty(shape, dtype=dtype, device="meta")
            recorder = Recorder(model, image)
            with recorder:
                output = model(image)
            return Trace(recorder.calls, recorder.flow.passed, recorder.stale(tensors_in(output)))
    except Exception as error:
        size = " x ".join(map(str, shape[2:]))
        raise UnfollowableError(
            f"{type(model).__name__} cannot be followed: on its own, an image of {size} gives {type(error).__name__}: "
            f"{error}"
        ) from error
