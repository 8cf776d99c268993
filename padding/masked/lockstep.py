"""The network run on one image alone, without arithmetic, next to the run on the canvas.

A network may compute with the sizes it sees: branch on them, divide by them, hand them to a function. On a canvas it
sees the canvas. So it is run once more for every size, on the meta device, and each call of the canvas run is compared
with its twin: the same function, the same numbers among the arguments, and shapes that are those of the valid parts.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.call import Call, Result, name_of, tensors_in
from padding.masked.flow import Flow, Origin, same
from padding.masked.registry import namesakes
from padding.masked.state import Valid, shape_of_image
from padding.masked.traces import Shape, Traces, Twin

_COMPARED_KEPT = 1 << 15


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
