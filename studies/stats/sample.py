"""Selects items evenly."""

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def evenly(items: Sequence[T], count: int) -> list[T]:
    """At most `count` of `items`, evenly spaced from the first on: no item is hand-picked, and no class is preferred.

    >>> evenly(range(10), 4)
    [0, 2, 5, 7]
    """
    count = min(count, len(items))
    return [items[number * len(items) // count] for number in range(count)]
