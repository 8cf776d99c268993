"""Makes a command line of a function's signature and docstring; jsonargparse checks the values by their types.

A positional parameter is a positional argument, a keyword-only one an option: `data_root` is `--data-root`. `bool` is a
flag, `list[X]` and `tuple[X, ...]` take one value or more. `Annotated[X, Argument(...)]` tells `add_argument` more.
A parameter whose type is a dataclass stands for the fields of that dataclass, which is how commands share options.
`*arguments: str` gets every option with a dot in its name, such as `--model.lr=1`: they are meant for another program.

jsonargparse's own `add_function_arguments` would make options such as `--data_root`, `--list=[a,b]`, `--flag=true`.
"""

import argparse
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import is_dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, NoReturn, get_args, get_origin, get_type_hints

from docstring_parser import Docstring
from docstring_parser.google import parse
from jsonargparse import ArgumentParser

from records.errors import UserError

DOTTED = re.compile(r"--\w+\.[\w.]+=")


class Argument:
    """Settings of argparse's `add_argument` for a parameter, which replace those that its type gives."""

    def __init__(self, **settings: Any):
        self.settings = settings


def run(name: str, function: Callable[..., int], arguments: Sequence[str]) -> int:
    """Parses `arguments` and calls `function`, the command `name`, with them; returns its exit status.

    Raises UserError, naming the option, its value and the allowed values, if the arguments do not fit.
    """
    signature, types = inspect.signature(function), get_type_hints(function)
    if "config" in signature.parameters:
        # Positional here, but an option of `fit`, and so written as one from habit.
        kept = [*(each for each in arguments[:-1] if each != "--config"), *arguments[-1:]]
        arguments = [each.removeprefix("--config=") for each in kept]
    rest = [each for each in signature.parameters.values() if each.kind is each.VAR_POSITIONAL]
    dotted = [each for each in arguments if rest and DOTTED.match(each)]
    values = vars(make_parser(name, function).parse_args([each for each in arguments if each not in dotted]))
    for key, owner in types.items():
        if is_dataclass(owner):
            values[key] = owner(**{field: values.pop(field) for field in inspect.signature(owner).parameters})
    # BoundArguments sorts the values into positional, variadic and keyword arguments.
    call = signature.bind_partial()
    call.arguments |= values | {each.name: tuple(dotted) for each in rest}
    return function(*call.args, **call.kwargs)


def make_parser(name: str, function: Callable) -> ArgumentParser:
    """Makes a parser of all parameters of `function`; its help is the docstring."""
    text = parse(inspect.getdoc(function))
    parser = _Parser(
        prog=f"main.py {name}",
        description="\n\n".join(filter(None, [text.short_description, text.long_description])),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        # An abbreviation would stop working when another option of the same beginning is added.
        allow_abbrev=False,
    )
    for parameter, hint, words in _parameters(function):
        option = parameter.kind is parameter.KEYWORD_ONLY
        parser.add_argument(_option(parameter.name) if option else parameter.name, **_settings(parameter, hint, words))
    return parser


class _Parser(ArgumentParser):
    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raises UserError with jsonargparse's message in one line, which names options instead of keys and classes."""
        message = re.sub(r'Parser key "(\w+)"( element \d+)?:', lambda found: f"{_option(found[1])}:", message)
        message = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", message.replace("a typing.Literal", "one of "))
        message = re.sub(r"Not of type \w+: (\S+) does not conform to restriction v", r"\1 must be ", message)
        if missing := re.search(r"required: (.+)", message):
            options = {action.dest: [*action.option_strings, action.dest][0] for action in self._actions}
            message = f"needed besides: {', '.join(options.get(key, key) for key in missing[1].split(', '))}"
        raise UserError(f"{' '.join(message.split())} (python {self.prog} --help lists the options)")


def _parameters(function: Callable) -> Iterator[tuple[inspect.Parameter, Any, str]]:
    """Yields each parameter with its type and its text in the docstring; for a dataclass, its fields."""
    types = get_type_hints(function, include_extras=True)
    # A dataclass documents its own fields; inherited ones are documented in the docstring of its base.
    owners = reversed(function.__mro__) if inspect.isclass(function) else [function]
    texts: list[Docstring] = [parse(owner.__doc__ or "") for owner in owners]
    words = {each.arg_name: " ".join(each.description.split()) for text in texts for each in text.params}
    for name, parameter in inspect.signature(function).parameters.items():
        if is_dataclass(types[name]):
            yield from _parameters(types[name])
        elif parameter.kind is not parameter.VAR_POSITIONAL:
            yield parameter, types[name], words[name]


def _settings(parameter: inspect.Parameter, hint: Any, words: str) -> dict[str, Any]:
    """The keyword arguments of `add_argument` for a parameter."""
    default = None if parameter.default is parameter.empty else parameter.default
    if isinstance(default, tuple):
        default = list(default)
    if default is not None and default is not False and "default:" not in words:
        words += f"; default: {' '.join(map(str, default)) if isinstance(default, list) else default}"
    settings: dict[str, Any] = {"help": words.replace("%", "%%")}
    if hint is bool:
        return {**settings, "action": "store_true"}
    if parameter.default is not parameter.empty:
        settings["default"] = default
    elif parameter.kind is parameter.KEYWORD_ONLY:
        settings["required"] = True
    if get_origin(hint) is not Annotated and NoneType in get_args(hint):
        (hint,) = (each for each in get_args(hint) if each is not NoneType)
    if get_origin(hint) in (list, tuple):
        hint, settings["nargs"] = get_args(hint)[0], "+"
    more = {}
    if get_origin(hint) is Annotated:
        hint, more = hint.__origin__, hint.__metadata__[0].settings
    if parameter.kind is not parameter.KEYWORD_ONLY:
        settings |= {"nargs": "?"} if parameter.default is None else {}
        more = {"metavar": parameter.name.upper(), **more}
    elif isinstance(hint, type):
        more = {"metavar": "N" if issubclass(hint, int) else {Path: "PATH", str: "NAME", float: "X"}.get(hint), **more}
    return {**settings, "type": hint, **more}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"
