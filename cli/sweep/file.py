"""Reads W&B sweep files without W&B: method grid, flat parameter names, a command with macros.

Macros are rendered as by the agent of wandb 0.31 (`Agent._command_run` and `create_sweep_command_args`). The agent
silently drops an unknown macro and replaces an unset environment variable by its name; this reader raises an error.
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

DEFAULT_COMMAND = ["${env}", "${interpreter}", "${program}", "${args}"]
"""W&B's default for `command:`."""

ENVIRONMENT_MACRO = re.compile(r"\$\{envvar:([A-Z0-9_]*)\}")
PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")

USED = {"method", "program", "command", "parameters", "run_cap", "name"}
ONLY_FOR_WANDB = {"description", "project", "entity", "metric", "controller", "apiVersion", "kind", "early_terminate"}
LAUNCH = {"job", "image_uri", "scheduler"}


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
    """A checked sweep file.

    Attributes:
        path: of the file, for messages.
        program: `program:`, relative to the folder that the sweep is started in.
        command: `command:`, macros not yet filled in.
        parameters: name to its values, in the file's order; a constant has one.
        run_cap: the largest number of points; None is no limit.
        notes: accepted keys without effect here, in words.
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
        elements = [ENVIRONMENT_MACRO.sub(self._variable, element) for element in self.command]
        before = elements.index("${program}") + 1
        points = []
        for chosen in itertools.islice(itertools.product(*self.parameters.values()), self.run_cap):
            values = dict(zip(self.parameters, chosen, strict=True))
            macros = macro_values(values, self.program, interpreter)
            start, arguments = (
                tuple(word for element in part for word in macros.get(element, [element]))
                for part in (elements[:before], elements[before:])
            )
            points.append(Point(values, start + arguments, arguments))
        return points

    def _variable(self, match: re.Match[str]) -> str:
        if (name := match[1]) not in os.environ:
            raise UserError(f"{self.path}: command has {match[0]}, but {name} is not set; export it first")
        return os.environ[name]


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
        "${args_no_boolean_flags}": [
            f"--{name}" if value is True else f"--{name}={value}"
            for name, value in values.items()
            if value is not False
        ],
    }


def read_sweep(path: str | Path) -> SweepFile:
    """Reads and checks a sweep file.

    Raises:
        UserError: naming the file, the key and what is allowed, for whatever this runner cannot run as W&B would.
    """
    path = Path(path)
    content = _load(path)
    try:
        _check_keys(content)
        command = _command(content.get("command", DEFAULT_COMMAND))
        parameters = _parameters(content.get("parameters"))
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    ignored = "early_terminate is ignored: every run goes on to its last epoch"
    notes = (ignored,) if "early_terminate" in content else ()
    return SweepFile(path, content["program"], command, parameters, content.get("run_cap"), notes)


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key written twice; PyYAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"{key.value} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path} cannot be read: {reason}; give a sweep file, such as sweeps/demo.yaml") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', error)}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path}: a sweep file is a mapping with the keys program, method, command, parameters")
    return content


def _check_keys(content: Mapping[str, Any]) -> None:
    for key in content:
        if key in LAUNCH:
            raise UserError(f"{key}: a launch job runs on W&B's queues; this runner works on this machine only")
        if key not in USED | ONLY_FOR_WANDB:
            raise UserError(f"unknown key {key}; allowed: {', '.join(sorted(USED | ONLY_FOR_WANDB))}")
    if (method := content.get("method", "missing")) != "grid":
        raise UserError(f"method is {method}; this runner takes grid; for others, wandb sweep and wandb agent")
    if not isinstance(content.get("program"), str):
        raise UserError("program is missing; write program: main.py")
    cap = content.get("run_cap", 1)
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < 1:
        raise UserError(f"run_cap is {cap!r}; it is a whole number from 1 on")


def _command(command: Any) -> tuple[str, ...]:
    if not isinstance(command, list) or not command:
        raise UserError("command is not a list; write one element a line, such as - ${args}")
    known = macro_values({}, "", "")
    for element in command:
        if isinstance(element, (dict, list)) or element is None:
            raise UserError(f"command has {element!r}; each element is text, quoted if it holds ':' or braces")
        rest = ENVIRONMENT_MACRO.sub("", str(element))
        if "${" in rest and rest not in known:
            allowed = ", ".join([*known, "${envvar:NAME}"])
            raise UserError(f"command has {element}; a macro is a whole element, one of {allowed}")
    if (count := command.count("${program}")) != 1:
        raise UserError(f"command must hold ${{program}} once; it stands {count} times")
    return tuple(map(str, command))


def _parameters(parameters: Any) -> dict[str, tuple[Any, ...]]:
    if not isinstance(parameters, dict) or not parameters:
        raise UserError("parameters is missing or empty; write name: {values: [...]} below it")
    for name in parameters:
        if not isinstance(name, str) or not PARAMETER_NAME.fullmatch(name):
            raise UserError(f"parameters: {name!r} is no parameter name; write an option, without --")
    return {name: _values(f"parameters: {name}", entry) for name, entry in parameters.items()}


def _values(where: str, entry: Any) -> tuple[Any, ...]:
    if isinstance(entry, dict) and "parameters" in entry:
        raise UserError(f"{where}: nested parameters never reach the program; write flat names with dots")
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
    if None in values:
        raise UserError(f"{where}: null is passed on as the text None; give a value, or leave the parameter out")
    # As texts: 1 and 1.0 are equal, and two values on a command line.
    texts = list(map(str, values))
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise UserError(f"{where}: {twice[0]} is there twice; each point of the grid runs once")
    return tuple(values)
