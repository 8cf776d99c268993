"""One call of a torch function, as the rules see it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from torch import Tensor
from torch.overrides import resolve_name

from padding.errors import UnfollowableError
from padding.masked.state import Valid, whole

if TYPE_CHECKING:
    from padding.masked.mode import Masking

Output = Any
"""A tensor, or a tuple or list of them."""


@dataclass
class Call:
    """A function, its arguments, and what is known of the tensors among them."""

    mode: "Masking"
    function: Callable
    args: tuple
    kwargs: dict[str, Any]
    states: list[tuple[Tensor, Valid | None]]
    """Each tensor among the arguments, in order, with its state; None for a constant: the same for all images."""

    def run(self) -> Output:
        """The function's own result on the whole canvas."""
        return self.function(*self.args, **self.kwargs)

    def bind(self, *names: str, **defaults: Any) -> "Arguments":
        """The arguments by name, as builtin functions do not tell them. Names without a default are required."""
        given = dict(zip(names, self.args, strict=False))
        return Arguments({**defaults, **given, **self.kwargs})

    def valid(self, tensor: Tensor | None) -> Valid | None:
        """The state of one of the arguments; None for a constant."""
        for known, state in self.states:
            if known is tensor:
                return state
        return None

    def input(self) -> tuple[Tensor, Valid]:
        """The first argument, which must come from the images.

        Raises:
            UnfollowableError: it does not.
        """
        tensor = self.args[0] if self.args else self.kwargs.get("input")
        state = self.valid(tensor) if isinstance(tensor, Tensor) else None
        if state is None:
            raise UnfollowableError("its first argument does not come from the images")
        return tensor, state

    @property
    def cut(self) -> bool:
        """Whether any argument is cut."""
        return any(state is not None and state.cut for _, state in self.states)

    @property
    def in_place(self) -> bool:
        """Whether the function changes its first argument and returns it, as its name tells."""
        name = getattr(self.function, "__name__", "")
        return name.startswith("__i") or (name.endswith("_") and not name.endswith("__"))

    @property
    def writes(self) -> bool:
        """Whether the function changes one of its arguments, as far as its name and its arguments tell."""
        name = getattr(self.function, "__name__", "")
        return self.in_place or name in ("__setitem__", "__set__") or self.kwargs.get("out") is not None

    @property
    def rule(self) -> str:
        return self.mode.rule

    @property
    def images(self) -> int:
        return self.mode.images


class Arguments(dict):
    """Arguments by name, also as attributes."""

    __getattr__ = dict.__getitem__


class Result(NamedTuple):
    """What a rule returns: the output, and the state of each tensor in it, in order."""

    output: Output
    states: list[Valid]


def tensors_in(value: Any) -> list[Tensor]:
    """The tensors in nested tuples, lists and dictionaries, in order."""
    found: list[Tensor] = []
    _collect(value, found)
    return found


_NO_TENSORS = frozenset([int, float, bool, str, type(None)])


def _collect(value: Any, found: list[Tensor]) -> None:
    # Every call comes by here, most arguments are numbers: they are passed over without a call of their own.
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, tuple | list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            if type(each) not in _NO_TENSORS:
                _collect(each, found)


def map_tensors(value: Any, change: Callable[[Tensor], Any]) -> Any:
    """The same nesting with each tensor replaced by `change(tensor)`."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, tuple | list):
        items = [map_tensors(each, change) for each in value]
        return type(value)(*items) if hasattr(value, "_fields") else type(value)(items)
    if isinstance(value, dict):
        return type(value)({key: map_tensors(each, change) for key, each in value.items()})
    return value


def whole_results(output: Output) -> Result:
    """For a call without cut arguments."""
    return Result(output, [whole(tensor) for tensor in tensors_in(output)])


def name_of(function: Callable) -> str:
    """A torch function's full name."""
    return resolve_name(function) or getattr(function, "__qualname__", None) or repr(function)
