"""Sizes that a network reads: the canvas' number, which carries the number of each image alone.

A network may compute with the sizes it sees, and on the canvas it sees the canvas' sizes. So `shape` gives integers
that carry the images' own sizes along: arithmetic is done for every image, and a comparison that comes out differently
for some image raises. Numbers that leave Python's operators (`int()`, `range()`, `len()`) become those of the canvas,
which the comparison with single images finds (check.py).
"""

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, SupportsIndex, TypeVar

from padding.errors import UnfollowableError

_Number = TypeVar("_Number", int, float)


class MaskedRun:
    """One run of a network; behind it, the sizes that the network keeps are plain numbers."""

    over = False


class Sized:
    """A number on the canvas; `own` is the number for each image alone, `run` the run that read it."""

    own: tuple[float, ...]
    run: MaskedRun

    def __bool__(self) -> bool:
        return self != 0  # type: ignore[comparison-overlap]  # __ne__ is set below

    # Equal hashes lead a dict to __eq__, so that a look-up by size raises where the images' sizes differ.
    def __hash__(self) -> int:
        return hash(plain(self))

    def __reduce_ex__(self, protocol: SupportsIndex) -> tuple:
        return type(plain(self)), (plain(self),)


class Length(Sized, int):
    """An integer, most often the size of an axis."""


class Ratio(Sized, float):
    """A fraction of sizes."""


def sized(value: _Number, own: Sequence[float], run: MaskedRun) -> _Number:
    """The number with those of the images; plain where they are all the same."""
    if all(each == value for each in own):
        return value
    number: Any = (Ratio if isinstance(value, float) else Length)(value)
    number.own, number.run = tuple(own), run
    return number


def plain(value: Any) -> Any:
    """The number on the canvas; anything else as it is."""
    if isinstance(value, Length):
        return int.__int__(value)
    return float.__float__(value) if isinstance(value, Ratio) else value


def own_number(value: Any, image: int) -> Any:
    """The number for one image alone; anything else as it is."""
    return value.own[image] if isinstance(value, Sized) else value


def _operator(function: Callable, finish: Callable) -> Callable:
    """The function of the canvas' numbers and of each image's; `finish(value, own, sizes)` makes one of them."""

    def compute(*numbers: Any) -> Any:
        if not all(isinstance(number, int | float) for number in numbers):
            return NotImplemented
        sizes = [each for each in numbers if isinstance(each, Sized) and not each.run.over]
        value = function(*map(plain, numbers))
        if not sizes:
            return value
        # Sizes of a run that is over count as plain numbers.
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
