"""Which tensor is which in one run of a network: where each comes from, and which share their memory.

Two runs whose calls have the same functions, shapes and numbers may still hand them different tensors: one of two
layers' weights, chosen by the size of the image. And a part that is written to changes its whole, unless it was copied.
"""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

_ORIGIN = "_padding_origin"

Origin = tuple
"""Names a tensor: the number of the call that made it and its place there, or its place among the constants."""


def constants_of(model: nn.Module) -> dict[int, int]:
    """The network's own tensors by identity, each with its number; the same numbers for a copy."""
    # named_parameters and named_buffers would each walk over all modules.
    own = [tensor for module in model.modules() for tensor in (*module._parameters.values(), *module._buffers.values())]
    numbers: dict[int, int] = {}
    for number, tensor in enumerate(own):
        numbers.setdefault(id(tensor), number)
    return numbers


class Flow:
    """Names the tensors of one run as it makes them."""

    def __init__(self, constants: dict[int, int]):
        self._constants = constants
        self._key = object()
        self._writes: dict[Origin, int] = {}
        self.passed: dict[Origin, Origin] = {}
        """For a result that is one of the arguments itself: the name under which that was known."""

    def origin(self, tensor: Tensor) -> Origin | None:
        """The tensor's name; None if it was made out of sight."""
        return self._known(tensor)[0]

    def memory(self, tensor: Tensor) -> Origin | None:
        """The name of the first tensor that had its memory."""
        return self._known(tensor)[1]

    def is_stale(self, tensor: Tensor) -> bool:
        """Whether its memory was written to under another name since."""
        _, memory, seen = self._known(tensor)
        return memory is not None and seen < self._writes.get(memory, 0)

    def wrote(self, tensor: Tensor) -> None:
        """Its memory was written to, under its name."""
        origin, memory, _ = self._known(tensor)
        self._writes[memory] = self._writes.get(memory, 0) + 1
        setattr(tensor, _ORIGIN, (self._key, origin, memory, self._writes[memory]))

    def made(self, call: int, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> list[int | None]:
        """Names what a call gave; for each, the place of the argument whose memory it has, None if it has its own."""
        memories = [_memory(tensor) for tensor in inputs]
        shared = [next((at for at, each in enumerate(memories) if each == _memory(own)), None) for own in outputs]
        for place, (tensor, argument) in enumerate(zip(outputs, shared, strict=True)):
            known = next((each for each in inputs if each is tensor), None)
            if known is not None:
                self.passed[(call, place)] = self.origin(known)
                continue
            _, memory, seen = (None, None, 0) if argument is None else self._known(inputs[argument])
            setattr(tensor, _ORIGIN, (self._key, (call, place), memory or (call, place), seen))
        return shared

    def _known(self, tensor: Tensor) -> tuple[Origin | None, Origin | None, int]:
        key, *known = getattr(tensor, _ORIGIN, (None,))
        if key is self._key:
            return tuple(known)
        number = self._constants.get(id(tensor))
        return (None, None, 0) if number is None else (("constant", number), ("constant", number), 0)


def forget(tensor: Tensor) -> None:
    """Takes the name off a tensor that outlives the run."""
    tensor.__dict__.pop(_ORIGIN, None)


def same(first: Any, second: Any, *passed: dict[Origin, Origin]) -> bool:
    """Whether two names are of one tensor, some of whose names were given to it again."""
    return _first_name(first, passed) == _first_name(second, passed)


def _first_name(name: Any, passed: Sequence[dict[Origin, Origin]]) -> Any:
    while any(name in each for each in passed):
        name = next(each[name] for each in passed if name in each)
    return name


def _memory(tensor: Tensor) -> Any:
    try:
        return tensor.untyped_storage()._cdata
    except (NotImplementedError, RuntimeError):  # sparse tensors have none
        return None
