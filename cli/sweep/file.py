"""Sweep files as W&B defines them, read without W&B: method grid, flat parameter names, a command with macros.

Macros are rendered as by the agent of wandb 0.31 (`Agent._command_run` and `create_sweep_command_args`). Where that
would go on in silence with something nobody meant (an unknown macro is dropped, an unset environment variable becomes
its own name), this reader stops with an error instead.
"""

import itertools
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from records.errors import UserError

DEFAULT_COMMAND = ("${env}", "${interpreter}", "${program}", "${args}")
"""What W&B runs where the file has no `command:`."""

ENVIRONMENT_MACRO = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

USED = {"method", "program", "command", "parameters", "run_cap", "name"}
ONLY_FOR_WANDB = {"description", "project", "entity", "metric", "controller", "apiVersion", "kind"}
IGNORED_WITH_NOTE = {"early_terminate": "every run goes on to its last epoch"}
REFUSED = {
    "job": "a launch job runs on W&B's queues",
    "image_uri": "a launch image runs on W&B's queues",
    "scheduler": "a scheduler runs on W&B's queues",
    "metrics": "several metrics belong to method: custom",
}


@dataclass(frozen=True)
class Point:
    """One point of the grid.

    Attributes:
        values: parameter name to value, in the file's order.
        command: the whole command line, macros filled in.
        arguments: what follows the program in `command`.
    """

    values: dict[str, Any]
    command: tuple[str, ...]
    arguments: tuple[str, ...]

    @property
    def label(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())


@dataclass(frozen=True)
class SweepFile:
    """A sweep file that was checked.

    Attributes:
        path: of the file, for messages.
        program: of `program:`, relative to the folder that the sweep is started in.
        command: of `command:`, macros not yet filled in.
        parameters: name to its values, in the file's order; a constant has one.
        run_cap: points beyond this number are left out; None is no limit.
        notes: keys that are accepted and have no effect here, in words.
    """

    path: Path
    program: str
    command: tuple[str, ...]
    parameters: dict[str, tuple[Any, ...]]
    run_cap: int | None
    notes: tuple[str, ...]

    def points(self, interpreter: str = sys.executable) -> list[Point]:
        """The grid, the last parameter of the file varying fastest, `run_cap` points at most.

        Raises:
            UserError: if an environment variable that the command names is not set.
        """
        grid = itertools.product(*self.parameters.values())
        chosen = itertools.islice(grid, self.run_cap)
        return [self._point(dict(zip(self.parameters, values, strict=True)), interpreter) for values in chosen]

    def _point(self, values: dict[str, Any], interpreter: str) -> Point:
        macros = macro_values(values, self.program, interpreter)
        command: list[str] = []
        arguments_from = 0
        for element in self.command:
            command.extend(macros[element] if element in macros else [fill_environment(element, self.path)])
            if element == "${program}":
                arguments_from = len(command)
        return Point(values, tuple(command), tuple(command[arguments_from:]))


def macro_values(values: Mapping[str, Any], program: str, interpreter: str) -> dict[str, list[str]]:
    """Macro to the list elements that replace it."""
    flags = [f"{name}={value}" for name, value in values.items()]
    return {
        "${env}": ["/usr/bin/env"],
        "${interpreter}": [interpreter],
        "${program}": [program],
        "${args}": [f"--{flag}" for flag in flags],
        "${args_no_hyphens}": flags,
        "${args_no_equals}": [part for name, value in values.items() for part in (f"--{name}", str(value))],
        "${args_no_boolean_flags}": [flag for item in values.items() for flag in _without_boolean(*item)],
    }


def fill_environment(element: str, path: Path) -> str:
    """`element` with each `${envvar:NAME}` replaced. Raises UserError, naming the file, if NAME is not set."""

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in os.environ:
            raise UserError(f"{path}: command has {match.group()}, but {name} is not set; export it first")
        return os.environ[name]

    return ENVIRONMENT_MACRO.sub(value, element)


def read_sweep(path: str | Path) -> SweepFile:
    """Reads and checks a sweep file.

    Raises:
        UserError: naming the file, the key and what is allowed, for whatever this runner cannot run as W&B would.
    """
    path = Path(path)
    content = _load(path)
    _check_keys(path, content)
    _check_method(path, content)
    return SweepFile(
        path=path,
        program=_program(path, content),
        command=_command(path, content),
        parameters=_parameters(path, content),
        run_cap=_run_cap(path, content),
        notes=tuple(f"{key} is ignored: {why}" for key, why in IGNORED_WITH_NOTE.items() if key in content),
    )


def _without_boolean(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}"] if value else []
    return [f"--{name}={value}"]


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key written twice, of which the last would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _load(path: Path) -> dict[str, Any]:
    if path.is_dir():
        raise UserError(f"{path} is a folder; give one sweep file, such as {path / 'demo.yaml'}")
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; give a sweep file, such as sweeps/demo.yaml") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    try:
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: a sweep file is a mapping with the keys program, method, command, parameters")
    return content


def _check_keys(path: Path, content: dict[str, Any]) -> None:
    for key in content:
        if key in REFUSED:
            raise UserError(f"{path}: {key}: {REFUSED[key]}; this runner takes method: grid on this machine only")
        if key not in USED | ONLY_FOR_WANDB | set(IGNORED_WITH_NOTE):
            allowed = ", ".join(sorted(USED | ONLY_FOR_WANDB | set(IGNORED_WITH_NOTE)))
            raise UserError(f"{path}: unknown key {key}; allowed: {allowed}")


def _check_method(path: Path, content: dict[str, Any]) -> None:
    method = content.get("method")
    if method != "grid":
        found = "is missing" if method is None else f"is {method}"
        raise UserError(f"{path}: method {found}; this runner takes grid; for others, wandb sweep and wandb agent")


def _program(path: Path, content: dict[str, Any]) -> str:
    program = content.get("program")
    if not isinstance(program, str) or not program:
        raise UserError(f"{path}: program is missing; write program: main.py")
    return program


def _command(path: Path, content: dict[str, Any]) -> tuple[str, ...]:
    command = content.get("command", list(DEFAULT_COMMAND))
    if not isinstance(command, list) or not command:
        raise UserError(f"{path}: command is not a list; write one element a line, such as - ${{args}}")
    known = macro_values({}, "", "")
    for element in command:
        if isinstance(element, (dict, list)) or element is None:
            raise UserError(f"{path}: command has {element!r}; each element is text, quoted if it holds ':' or braces")
        rest = ENVIRONMENT_MACRO.sub("", str(element))
        if "${" in rest and rest not in known:
            allowed = ", ".join([*known, "${envvar:NAME}"])
            raise UserError(f"{path}: command has {element}; a macro is a whole element, one of {allowed}")
    elements = tuple(str(element) for element in command)
    if elements.count("${program}") != 1:
        raise UserError(f"{path}: command must hold ${{program}} once; it stands {elements.count('${program}')} times")
    return elements


def _run_cap(path: Path, content: dict[str, Any]) -> int | None:
    cap = content.get("run_cap")
    if cap is not None and (isinstance(cap, bool) or not isinstance(cap, int) or cap < 1):
        raise UserError(f"{path}: run_cap is {cap!r}; it is a whole number from 1 on")
    return cap


def _parameters(path: Path, content: dict[str, Any]) -> dict[str, tuple[Any, ...]]:
    parameters = content.get("parameters")
    if not isinstance(parameters, dict) or not parameters:
        raise UserError(f"{path}: parameters is missing or empty; write name: {{values: [...]}} below it")
    return {_parameter_name(path, name): _values(path, name, entry) for name, entry in parameters.items()}


def _parameter_name(path: Path, name: Any) -> str:
    if not isinstance(name, str) or not PARAMETER_NAME.fullmatch(name):
        raise UserError(f"{path}: parameters: {name!r} is no parameter name; write an option, without --")
    return name


def _values(path: Path, name: str, entry: Any) -> tuple[Any, ...]:
    where = f"{path}: parameters: {name}"
    if isinstance(entry, dict) and "parameters" in entry:
        raise UserError(f"{where}: nested parameters never reach the program; write flat names such as {name}.NAME")
    if not isinstance(entry, dict) or ("value" in entry) == ("values" in entry):
        raise UserError(f"{where}: give either value: X or values: [X, Y]")
    if unknown := set(entry) - {"value", "values", "distribution"}:
        raise UserError(f"{where}: {', '.join(sorted(map(str, unknown)))} does not go with a grid; give values")
    fitting = "constant" if "value" in entry else "categorical"
    if entry.get("distribution", fitting) != fitting:
        raise UserError(f"{where}: distribution is {entry['distribution']}; in a grid leave it out")
    values = [entry["value"]] if "value" in entry else entry["values"]
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}: values is {values!r}; it is a list of at least one value")
    _check_values(where, values)
    return tuple(values)


def _check_values(where: str, values: list[Any]) -> None:
    seen: set[str] = set()
    for value in values:
        if value is None:
            raise UserError(f"{where}: null is passed on as the text None; give a value, or leave the parameter out")
        if str(value) in seen:
            raise UserError(f"{where}: {value} is there twice; each point of the grid runs once")
        seen.add(str(value))
