"""The error that the data modules raise on bad input."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

_T = TypeVar("_T")

DRAWN = {"sample_imagenet": "imagenet", "sample_cityscapes": "cityscapes"}
"""Folders of the demos' configurations, and the modules of `datamodules.samples` that draw them."""


class DataError(ValueError):
    """Data or data settings that cannot be used.

    The first argument alone makes a valid error, because a DataLoader rebuilds a worker's exception from its message.

    Args:
        what: what is wrong, with the value found and the values allowed.
        where: the path or the setting at fault.
        todo: what the reader can do about it.
    """

    for_users = True

    def __init__(self, what: str, *, where: object = None, todo: str | None = None):
        parts = [what] if where is None else [f"{where}: {what}"]
        if todo is not None:
            parts.append(todo)
        super().__init__(" ".join(part if part.endswith((".", "!", "?")) else part + "." for part in parts))


class CacheError(DataError):
    """A cache of decoded images that cannot be used. `on_damaged=skip` does not skip it: no image is damaged."""


@contextlib.contextmanager
def named(what: str, where: Path | str, todo: str | None = None, kind: type[DataError] = DataError) -> Iterator[None]:
    """Turns an OSError into a DataError with its reason: the file or folder `where` "cannot be read", or written."""
    try:
        yield
    except OSError as error:
        raise kind(f"{what} ({error.strerror})", where=where, todo=todo) from error


def checked(name: str, value: _T, valid: bool, must: str) -> _T:
    """Returns a setting's value; raises DataError unless it is `valid`, saying what it must be."""
    if not valid:
        raise DataError(f"`{name}` is {value!r}; it must be {must}")
    return value


def at_least(least: int, name: str, value: int) -> int:
    """As `checked`, for a number with a minimum."""
    return checked(name, value, value >= least, f"at least {least}")


def refuse_no_folder(root: Path, todo: str) -> None:
    """Raises DataError unless the root of the data is an existing folder."""
    if root.name in DRAWN and not root.exists():
        todo = f"Draw it: `python -m datamodules.samples.{DRAWN[root.name]} --root={root}`"
    if not root.is_dir():
        raise DataError("is not a folder" if root.exists() else "does not exist", where=root, todo=todo)


def some(items, limit: int = 5) -> str:
    """Formats a list for a message: the first `limit` items, and how many more there are."""
    items = [str(item) for item in items]
    rest = len(items) - limit
    return ", ".join(items[:limit]) + (f" and {rest} more" if rest > 0 else "")
