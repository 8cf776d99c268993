"""Numbers that a network computes from sizes: the canvas' value, together with the value for each image alone.

A network may compute with the sizes that it reads, and on the canvas it reads the canvas' sizes. So `shape` returns
integers that carry the images' own sizes: arithmetic is done for every image, and a comparison with another outcome for
some image raises UnfollowableError. `int()`, `range()` and `len()` return the canvas' plain numbers; the comparison
with single images (check.py) finds wrong results from them.
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeVar

from padding.errors import UnfollowableError

_Number = TypeVar("_Number", int, float)


class MaskedRun:
    """A run of a network; when it is over, sizes that the network stored act as plain numbers."""

    over = False


class Sized:
    """A number of the canvas; `own` holds the number for each image alone, `run` is the run that read it."""

    own: tuple[float, ...]
    run: MaskedRun

    def __bool__(self) -> bool:
        return self != 0  # type: ignore[comparison-overlap]  # __ne__ is set below

    # Equal hashes make a dict call __eq__, so that a look-up by size raises if the images' sizes differ.
    def __hash__(self) -> int:
        return hash(plain(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return type(plain(self)), (plain(self),)


class Length(Sized, int):
    """An integer, usually the size of an axis."""


class Ratio(Sized, float):
    """A float, usually a quotient of sizes."""


def sized(value: _Number, own: Sequence[float], run: MaskedRun) -> _Number:
    """Returns the number with the numbers `own` of the images; a plain number if all are equal."""
    if all(each == value for each in own):
        return value
    number: Any = (Ratio if isinstance(value, float) else Length)(value)
    number.own, number.run = tuple(own), run
    return number


def plain(value: Any) -> Any:
    """The plain number of the canvas; other values unchanged."""
    if isinstance(value, Length):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, Ratio) else value


def own_number(value: Any, image: int) -> Any:
    """The number for one image alone; other values unchanged."""
    return value.own[image] if isinstance(value, Sized) else value


def _operator(function: Callable, finish: Callable) -> Callable:
    """Makes an operator that computes for the canvas and each image; `finish(value, own, sizes)` joins the results."""

    def compute(*numbers: Any) -> Any:
        if not all(isinstance(number, int | float) for number in numbers):
            return NotImplemented
        sizes = [each for each in numbers if isinstance(each, Sized) and not each.run.over]
        value = function(*map(plain, numbers))
        if not sizes:
            return value
        # Sizes of an earlier run count as plain numbers.
        current = [each if any(each is size for size in sizes) else plain(each) for each in numbers]
        own = [function(*(own_number(each, image) for each in current)) for image in range(len(sizes[0].own))]
        return finish(value, own, sizes)

    return compute


def _arithmetic(function: Callable) -> Callable:
    return _operator(function, lambda value, own, sizes: sized(value, own, sizes[0].run))


def _comparison(function: Callable) -> Callable:
    def finish(value: bool, own: list[bool], sizes: list[Sized]) -> bool:
        if all(each == value for each in own):
            return value
        known = " and ".join(f"{plain(each)} (for the images {', '.join(map(str, each.own))})" for each in sizes)
        raise UnfollowableError(
            f"its code compares ({function.__name__}) the size {known}, with another outcome for an image alone"
        )

    return _operator(function, finish)


def _reflected(function: Callable) -> Callable:
    return lambda right, left: function(left, right)


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Sized, f"__{_name}__", _arithmetic(getattr(operator, _name)))
    setattr(Sized, f"__r{_name}__", _arithmetic(_reflected(getattr(operator, _name))))
for _name, _function in (("neg", operator.neg), ("ceil", math.ceil), ("floor", math.floor), ("round", round)):
    setattr(Sized, f"__{_name}__", _arithmetic(_function))
for _name in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Sized, f"__{_name}__", _comparison(getattr(operator, _name)))
