"""Loads schemes from Python files of the user, by names such as `my_schemes.py:ones`.

The function takes (input, weight, bias, geometry), as under `padding.register_scheme`, or (near, amount, measured), as
under `padding.schemes.ring.register_fill`; its attribute `reach` is the number of positions of `near`, 1 by default.
Naming a scheme runs its file.
"""

import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from padding.errors import PaddingError
from padding.registry import Scheme, forget_made, register_family
from padding.schemes.ring import Fill, filling

USER_MODULE = "padding_user_"
"""Prefix of the names of modules that were loaded from users' files."""

_FOLDERS: list[Path] = []


def look_in(folders: Sequence[Path]) -> None:
    """Sets folders with copies of users' files, such as a run's: used if a file is gone, otherwise compared with it."""
    _FOLDERS[:] = folders
    forget_made(".py:")


def digest(path: Path) -> str:
    """The SHA-256 of a file's content, as 64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@register_family(".py:")
def from_file(name: str) -> Scheme:
    """Loads the scheme of a name such as `my_schemes.py:ones`.

    Raises:
        PaddingError: the file or the function does not exist, the function takes other arguments, the file does not
            run, or it differs from a run's copy.
    """
    path, _, function_name = name.rpartition(":")
    file = _find(Path(path).expanduser(), name)
    try:
        module = _module(file)
    except Exception as error:
        raise PaddingError(f"padding scheme {name!r}: {file} does not run: {type(error).__name__}: {error}") from error
    functions = {key: each for key, each in vars(module).items() if inspect.isfunction(each)}
    if function_name not in functions:
        there = ", ".join(key for key, each in functions.items() if each.__module__ == module.__name__) or "none"
        raise PaddingError(f"padding scheme {name!r}: {file} has no function {function_name!r}; it has {there}")
    function = functions[function_name]
    count = len(inspect.signature(function).parameters)
    if count not in (3, 4):
        raise PaddingError(
            f"padding scheme {name!r} must take (input, weight, bias, geometry) or (near, amount, measured); it takes "
            f"{count} arguments"
        )
    reach = getattr(function, "reach", 1)
    if not callable(reach) and not (isinstance(reach, int) and reach > 0):
        raise PaddingError(f"padding scheme {name!r}: its reach is {reach!r}; give a number of positions from 1 on")
    # What the function computes is unknown, so convolutions fused from branches are refused.
    if count == 4:
        return Scheme(name, function, survives_fusing=False, files=(file,))
    fill = Fill(name, function, reach if callable(reach) else lambda amount, size: reach, linear=False)
    return replace(filling(fill, survives_fusing=False), files=(file,))


def _module(file: Path) -> ModuleType:
    """Imports the file once per content: a file that registers a scheme itself can run only once."""
    name = f"{USER_MODULE}{digest(file)[:16]}"
    if name not in sys.modules:
        specification = importlib.util.spec_from_file_location(name, file)
        assert specification is not None
        assert specification.loader is not None  # the name ends in .py
        module = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(module)
        sys.modules[name] = module
    return sys.modules[name]


def _find(path: Path, name: str) -> Path:
    found = [each for each in (path, *(folder / path.name for folder in _FOLDERS)) if each.is_file()]
    if not found:
        raise PaddingError(f"padding scheme {name!r}: there is no file {path}; name one as FILE.py:FUNCTION")
    if different := next((each for each in found if digest(each) != digest(found[0])), None):
        raise PaddingError(
            f"padding scheme {name!r}: {found[0]} is not what the run began with, which is {different}; put that "
            "back, or begin a new run"
        )
    return found[0]
