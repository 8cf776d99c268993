"""A call of a torch function, and the registry of rules that compute where its output is valid."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.errors import UnfollowableError
from padding.masked.lengths import Sized
from padding.masked.state import Extents, Valid, filled, make_valid

Output = Any
"""A tensor, or a tuple or list of them."""


class Result(NamedTuple):
    """Result of a rule: the output, and the state of each tensor in it, in order; None for a constant."""

    output: Output
    states: Sequence[Valid | None]


def result(output: Output, axes: Iterable[Extents | None] | None, batch: int | None) -> Result:
    """Makes a Result whose tensors are all valid on `axes`; None means valid everywhere."""
    tensors = tensors_in(output)
    return Result(output, [make_valid(each.shape, axes or [None] * each.dim(), batch) for each in tensors])


@dataclass
class Call:
    """A function, its arguments, and the states of the tensors among them."""

    function: Callable
    args: tuple
    kwargs: dict[str, Any]
    states: list[tuple[Tensor, Valid | None]]
    """Each tensor among the arguments, in order, with its state; None for a constant, which is equal for all images."""
    images: int
    rule: str
    recorded: bool = False
    """Whether the run began with gradients on; then it writes nothing in place, not even in the network's no_grad."""
    sized: tuple[tuple, dict] | None = None
    """The arguments with the sizes (`Sized`) that each image alone would pass; None if none of them differs."""

    def run(self) -> Output:
        """Runs the function on the whole canvas."""
        return self.function(*self.args, **self.kwargs)

    def run_like(self, state: Valid) -> Result:
        """Runs the function on the canvas; the result is valid where `state`, that of an argument, says."""
        return result(self.run(), state.axes, state.batch)

    def bind(self, *names: str, **defaults: Any) -> SimpleNamespace:
        """The arguments by name, since builtin functions have no signature. Names without a default are required."""
        return SimpleNamespace(**{**defaults, **dict(zip(names, self.args, strict=False)), **self.kwargs})

    def valid(self, tensor: Tensor | None) -> Valid | None:
        """The state of one of the arguments; None for a constant."""
        # Compared by identity: == and `in` would compare tensors element by element.
        return next((state for known, state in self.states if known is tensor), None)

    def input(self) -> tuple[Tensor, Valid]:
        """The first argument and its state; raises UnfollowableError if it is not computed from the images."""
        tensor: Any = self.args[0] if self.args else self.kwargs.get("input")
        state = self.valid(tensor) if isinstance(tensor, Tensor) else None
        if state is None:
            raise UnfollowableError("its first argument does not come from the images")
        return tensor, state

    def clear(self, tensor: Tensor, state: Valid, value: float = 0.0) -> Tensor:
        """Returns the tensor with `value` wherever it is not valid.

        Without gradients it is written in place. Safe in place: padded positions are never read again, and the caller's
        images were cloned.
        """
        return filled(tensor, state, value, in_place=self.writes)

    @property
    def writes(self) -> bool:
        """Whether tensors of the run may be written in place."""
        return not (self.recorded or torch.is_grad_enabled())

    @property
    def cut(self) -> bool:
        """Whether some image does not fill an argument along some axis."""
        return any(state is not None and state.cut for _, state in self.states)

    @property
    def in_place(self) -> bool:
        """Whether the function changes an argument, usually the first, judged by its name and `out`."""
        # At this level functions have no schema to ask.
        name = getattr(self.function, "__name__", "")
        named = name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))
        return named or name in ("__setitem__", "__set__") or self.kwargs.get("out") is not None


Rule = Callable[[Call], Result]
RULES: dict[Callable, Rule] = {}
"""Maps a function to its rule; the files of rules/ fill it."""

_NAMESPACES = (torch, Tensor, F, torch._C._nn, torch.special, torch.linalg)


def namesakes(*names: str) -> Iterator[Callable]:
    """All torch functions with these names: in torch, tensor methods, functionals."""
    # torch.add and Tensor.add are two objects, and the mode sees the one that the network calls.
    found = (getattr(namespace, name, None) for name in names for namespace in _NAMESPACES)
    return filter(callable, found)


def getter(name: str) -> Callable:
    """The function that the mode sees when a network reads this attribute of a tensor."""
    return getattr(Tensor, name).__get__


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: registers a rule for all torch functions with these names."""
    return rule_for(*namesakes(*names))


def rule_for(*functions: Callable) -> Callable[[Rule], Rule]:
    """Decorator: registers a rule for these functions."""

    def register(follow: Rule) -> Rule:
        RULES.update(dict.fromkeys(functions, follow))
        return follow

    return register


_PLAIN = frozenset([int, float, bool, str, type(None)])


def leaves(value: Any, found: list | None = None) -> list:
    """The tensors and sizes in nested tuples, lists, dictionaries and slices, in order."""
    found = [] if found is None else found
    # Runs at every call, and most arguments are plain numbers, so these are skipped without a recursive call.
    if isinstance(value, Tensor | Sized):
        found.append(value)
    elif isinstance(value, tuple | list | dict | slice):
        if isinstance(value, dict):
            value = value.values()
        elif isinstance(value, slice):
            value = value.start, value.stop, value.step
        for each in value:
            if type(each) not in _PLAIN:
                leaves(each, found)
    return found


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dictionaries, in order."""
    return [each for each in leaves(value) if isinstance(each, Tensor)]


def map_leaves(value: Any, change: Callable[[Any], Any]) -> Any:
    """Returns the same nesting with each tensor and number replaced by `change(leaf)`."""
    if isinstance(value, tuple | list):
        items = [map_leaves(each, change) for each in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return type(value)({key: map_leaves(each, change) for key, each in value.items()})
    if isinstance(value, slice):
        return slice(*(map_leaves(each, change) for each in (value.start, value.stop, value.step)))
    return change(value)


def map_tensors(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """Returns the same nesting with each tensor replaced by `change(tensor)`."""
    return map_leaves(value, lambda leaf: change(leaf) if isinstance(leaf, Tensor) else leaf)
