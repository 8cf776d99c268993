"""The network run on one image alone, without arithmetic, next to the run on the canvas.

A network may compute with the sizes it sees: branch on them, divide by them, hand them to a function. On a canvas it
sees the canvas. So it is run once more for every size, on the meta device, and each call of the canvas run is compared
with its twin: the same function, the same numbers among the arguments, and shapes that are those of the valid parts.
"""

import copy
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from padding.convolve import padded_convolution, zero_padded
from padding.errors import UnfollowableError
from padding.geometry import resolve
from padding.tracing import is_compiled

from .call import Call, Result, map_tensors, name_of, tensors_in
from .flow import Flow, Origin, constants_of, same
from .hidden import has_hooks, refuse_hidden
from .metadata import METADATA
from .registry import namesakes
from .state import Valid, shape_of_image


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

_COMPARED_KEPT = 1 << 15

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


class Lockstep:
    """The twins of the images of one batch, advanced with every call.

    Args:
        sizes: of each image, as the network would see it alone: (C, H, W).
    """

    def __init__(self, traces: Traces, constants: dict[int, int], canvas: Tensor, sizes: list[tuple[int, ...]]):
        self._traces = traces
        self._flow = Flow(constants)
        self._flow.made(-1, [], [canvas])
        # For each image the memories that are shared when it is alone and not on the canvas, or the other way round.
        self._parted: dict[int, set[Origin]] = {}
        self._keys = [(tuple(canvas.shape[1:]), canvas.dtype, size) for size in sizes]
        self._twins = [traces.of((1, *size), canvas.dtype) for size in sizes]
        # One of each size is enough, and none if this pair of canvas and size was compared before.
        first = {key: image for image, key in reversed(list(enumerate(self._keys)))}
        self._to_compare = [image for key, image in first.items() if key not in self._traces.compared]
        self._at, self._took_own = -1, False

    def advance(self, call: Call) -> None:
        """Goes on to the next call."""
        self._at += 1
        self._took_own = False
        for image in self._to_compare:
            twin = self._twin(call, image)
            self._compare_shapes(call, image, call.states, twin.inputs, "takes")
            self._compare_origins(call, image, twin)
            self._refuse_stale(image, twin.stale)

    def check(self, call: Call, result: Result) -> None:
        """Compares what the call was told, and what it gave, with its twins."""
        if not self._to_compare:
            return
        outputs = tensors_in(result.output)
        states = list(zip(outputs, result.states, strict=True))
        shared = self._flow.made(self._at, [tensor for tensor, _ in call.states], outputs)
        for image in self._to_compare:
            twin = self._twin(call, image)
            if not self._took_own and call.function not in TOLD_BY_SHAPES:
                _compare_numbers(call, image, twin)
            self._compare_shapes(call, image, states, twin.outputs, "gives")
            self._compare_memory(image, twin, shared)

    def finish(self) -> None:
        """Says that the run is over.

        Raises:
            UnfollowableError: the canvas run made fewer calls than an image alone.
        """
        alone = len(self._twins[0].calls)
        if self._at + 1 != alone:
            raise UnfollowableError(
                f"the network makes {self._at + 1} calls on the canvas and {alone} for image 0 alone: "
                "its code depends on the size that it sees; run the images one at a time (padding.forward_singly)"
            )
        for image in self._to_compare:
            self._refuse_stale(image, self._twins[image].stale)
        if len(self._traces.compared) > _COMPARED_KEPT:
            self._traces.compared.clear()
        self._traces.compared.update(self._keys)

    def arguments(self, call: Call, image: int) -> tuple[tuple, dict]:
        """The arguments as one image alone has them, a Shape in place of each tensor."""
        self._took_own = True
        return self._twin(call, image).arguments

    def told_alike(self, call: Call) -> bool:
        """Whether every image alone hands the function the same numbers and words as the canvas does."""
        return all(
            _alike((call.args, call.kwargs), self._twin(call, image).arguments)
            for image in {id(twins): image for image, twins in enumerate(self._twins)}.values()
        )

    def outputs(self, call: Call, image: int) -> list[Shape]:
        """The shapes that one image alone has from this call."""
        return self._twin(call, image).outputs

    def _twin(self, call: Call, image: int) -> Twin:
        twins = self._twins[image].calls
        if self._at >= len(twins) or twins[self._at].function != call.function:
            other = name_of(twins[self._at].function) if self._at < len(twins) else "nothing"
            raise UnfollowableError(
                f"the network's code depends on the size that it sees: for image {image} alone it calls {other} here"
            )
        return twins[self._at]

    def _compare_origins(self, call: Call, image: int, twin: Twin) -> None:
        passed = self._flow.passed, self._twins[image].passed
        for (tensor, _), origin in zip(call.states, twin.origins, strict=True):
            if not same(self._flow.origin(tensor), origin, *passed):
                raise UnfollowableError(
                    f"the network's code depends on the size that it sees: for image {image} alone this call takes "
                    "another tensor"
                )

    def _compare_memory(self, image: int, twin: Twin, shared: list[int | None]) -> None:
        for place, (here, alone) in enumerate(zip(shared, twin.shared, strict=True)):
            if here != alone:
                concerned = {twin.memories[at] for at in (here, alone) if at is not None}
                self._parted.setdefault(image, set()).update(concerned, {(self._at, place)})

    def _refuse_stale(self, image: int, stale: frozenset[Origin]) -> None:
        if stale & self._parted.get(image, set()):
            raise UnfollowableError(
                "it reads what was written to under another name, as a part of a tensor or as its whole, and which is "
                "a copy on the canvas; run the images one at a time (padding.forward_singly)"
            )

    def _compare_shapes(
        self, call: Call, image: int, states: list[tuple[Tensor, Valid | None]], alone: list[Shape], does: str
    ) -> None:
        for (tensor, valid), shape in zip(states, alone, strict=True):
            if not _fits(tensor, valid, shape, image, call.images):
                raise UnfollowableError(
                    f"it {does} {tuple(tensor.shape)} on the canvas, and {tuple(shape)} for image {image} alone, which "
                    "does not follow from the images' sizes"
                )


def _compare_numbers(call: Call, image: int, twin: Twin) -> None:
    """Refuses a call that was told other numbers than its twin."""
    told = (call.args, call.kwargs)
    if not _alike(told, twin.arguments):
        raise UnfollowableError(
            f"it is told {_numbers(told)} on the canvas, and {_numbers(twin.arguments)} for image {image} alone"
        )


def _fits(tensor: Tensor, valid: Valid | None, alone: Shape, image: int, images: int) -> bool:
    """Whether a tensor's valid part has the shape that the image alone gives."""
    shape = tuple(tensor.shape)
    if len(shape) != len(alone):
        return False
    if valid is None:  # a constant may have been repeated for every image
        return shape == tuple(alone) or (alone[0] == 1 and shape == (images, *alone[1:]))
    return shape_of_image(tensor, valid, image, images) == tuple(alone)


def _alike(canvas: Any, alone: Any) -> bool:
    """Whether the numbers and words among two sets of arguments are the same; tensors are compared elsewhere."""
    if isinstance(canvas, Tensor):
        return isinstance(alone, Shape)
    if isinstance(canvas, tuple | list):
        return len(canvas) == len(alone) and all(map(_alike, canvas, alone))
    if isinstance(canvas, dict):
        return canvas.keys() == alone.keys() and all(_alike(canvas[key], alone[key]) for key in canvas)
    return canvas is alone or canvas == alone or isinstance(canvas, torch.device)


def _numbers(arguments: tuple[tuple, dict]) -> str:
    """The arguments without their tensors."""
    args, kwargs = arguments
    plain = [repr(each) for each in args if not any(_tensorlike(part) for part in _flat(each))]
    plain += [f"{key}={each!r}" for key, each in kwargs.items() if not any(_tensorlike(part) for part in _flat(each))]
    return f"({', '.join(plain)})"


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, tuple | list) and not isinstance(value, Shape):
        for each in value:
            yield from _flat(each)
    else:
        yield value


def _tensorlike(value: Any) -> bool:
    return isinstance(value, Tensor | Shape)


TOLD_BY_SHAPES = frozenset(namesakes("view", "reshape", "unflatten", "expand", "split", "split_with_sizes"))
"""Functions whose numbers are the shapes of what they give, which are compared in any case."""
