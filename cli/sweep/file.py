"""Reads W&B sweep files without W&B: method grid, flat parameter names, a command with macros.

Macros are expanded as by the agent of wandb 0.31 (`Agent._command_run` and `create_sweep_command_args`). The agent
silently drops an unknown macro and replaces an unset environment variable by its name; this reader raises an error.
"""

import itertools
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from records.errors import UserError
from training.checks.sources import read_lines

CONTENT = "a sweep file is a mapping with the keys program, method, command and parameters, such as sweeps/demo.yaml"
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
        command: full command line, with macros expanded.
        arguments: the part of `command` after the program.
    """

    values: dict[str, Any]
    command: list[str]
    arguments: list[str]

    @property
    def label(self) -> str:
        return " ".join(f"{name}={value}" for name, value in self.values.items())


class SweepFile(NamedTuple):
    """The content of a sweep file.

    Attributes:
        points: points of the grid, `run_cap` at most; the last parameter of the file varies fastest.
        notes: messages about accepted keys that have no effect here.
    """

    points: list[Point]
    notes: list[str]


def read_sweep(path: Path, interpreter: str = sys.executable) -> SweepFile:
    """Reads and checks a sweep file of this project's `main.py fit`.

    Raises:
        UserError: if this runner cannot run the file as W&B would (names the file, the key and what is allowed), or an
            environment variable in the command is not set.
    """
    # Read for its checks only: yaml.safe_load takes the last of two equal keys in silence.
    list(read_lines(path, str(path), CONTENT))
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        _check_keys(content)
        command, parameters = _command(content.get("command", "missing")), _parameters(content.get("parameters"))
        if not Path(content["program"]).is_file():
            raise UserError(f"program {content['program']} is not in {Path.cwd()}; start the sweep where main.py is")
    except (UserError, yaml.YAMLError, ValueError) as error:
        raise UserError(f"{path}: {' '.join(str(error).split())}") from None
    points = []
    for chosen in itertools.islice(itertools.product(*parameters.values()), content.get("run_cap")):
        values = dict(zip(parameters, chosen, strict=True))
        macros = macro_values(values, content["program"], interpreter)
        start, arguments = ([word for each in part for word in macros.get(each, [each])] for part in command)
        points.append(Point(values, start + arguments, arguments))
    ignored = "early_terminate is ignored: every run goes on to its last epoch"
    return SweepFile(points, [ignored] if "early_terminate" in content else [])


def macro_values(values: Mapping[str, Any], program: str, interpreter: str) -> dict[str, list[str]]:
    """Maps a macro to the list elements that replace it."""
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


def _check_keys(content: Mapping[str, Any]) -> None:
    for key in content:
        if key in LAUNCH:
            raise UserError(f"{key}: a launch job runs on W&B's queues; this runner works on this machine only")
        if key not in USED | ONLY_FOR_WANDB:
            raise UserError(f"unknown key {key}; allowed: {', '.join(sorted(USED | ONLY_FOR_WANDB))}")
    if (method := content.get("method", "missing")) != "grid":
        raise UserError(f"method is {method}; this runner takes grid; for others, wandb sweep and wandb agent")
    program = content.get("program", "missing")
    if Path(str(program)).name != "main.py":
        raise UserError(f"program is {program}; this runner runs main.py only; for others, wandb sweep and wandb agent")
    cap = content.get("run_cap", 1)
    if isinstance(cap, bool) or not isinstance(cap, int) or cap < 1:
        raise UserError(f"run_cap is {cap!r}; it is a whole number from 1 on")


def _command(command: Any) -> tuple[list[str], list[str]]:
    """Splits `command:` after the program; expands environment variables, but no other macros."""
    if not isinstance(command, list) or any(isinstance(each, dict | list | None) for each in command):
        raise UserError(
            f"command is {command}; it is a list of texts, one a line, such as - ${{args}}, quoted where they hold "
            "':' or braces"
        )
    known = macro_values({}, "", "")
    for element in command:
        rest = ENVIRONMENT_MACRO.sub("", str(element))
        if "${" in rest and rest not in known:
            allowed = ", ".join([*known, "${envvar:NAME}"])
            raise UserError(f"command has {element}; a macro is a whole element, one of {allowed}")
    if (count := command.count("${program}")) != 1:
        raise UserError(f"command must hold ${{program}} once; it stands {count} times")
    filled = [ENVIRONMENT_MACRO.sub(_variable, str(element)) for element in command]
    before = filled.index("${program}") + 1
    if filled[before : before + 1] != ["fit"]:
        raise UserError("this runner runs main.py fit only: write - fit after - ${program} in command")
    return filled[:before], filled[before:]


def _variable(match: re.Match[str]) -> str:
    if (name := match[1]) not in os.environ:
        raise UserError(f"command has {match[0]}, but {name} is not set; export it first")
    return os.environ[name]


def _parameters(parameters: Any) -> dict[str, list[Any]]:
    """Maps a parameter to its values, in the file's order; a constant has one value."""
    if not isinstance(parameters, dict) or not parameters:
        raise UserError("parameters is missing or empty; write name: {values: [...]} below it")
    for name in parameters:
        if not PARAMETER_NAME.fullmatch(name):
            raise UserError(f"parameters: {name!r} is no parameter name; write an option, without --")
    return {name: _values(f"parameters: {name}", entry) for name, entry in parameters.items()}


def _values(where: str, entry: Any) -> list[Any]:
    if isinstance(entry, dict) and "parameters" in entry:
        raise UserError(f"{where}: nested parameters never reach the program; write flat names with dots")
    given = dict(entry) if isinstance(entry, dict) else {}
    # W&B's names for the two keys; all other distributions are random.
    if given.get("distribution") == ("constant" if "value" in given else "categorical"):
        del given["distribution"]
    values = [given["value"]] if "value" in given else given.get("values")
    if unknown := given.keys() - {"value", "values"}:
        named = ", ".join(f"{key}: {given[key]}" for key in sorted(unknown))
        raise UserError(f"{where}: {named} does not go with a grid; leave it out")
    if len(given) != 1 or not isinstance(values, list) or not values:
        raise UserError(f"{where} is {entry!r}; give either value: X or values: [X, Y], a list of at least one value")
    if None in values:
        raise UserError(f"{where}: null is passed on as the text None; give a value, or leave the parameter out")
    # Compared as texts: 1 and 1.0 are equal numbers, but different on a command line.
    texts = list(map(str, values))
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise UserError(f"{where}: {twice[0]} is there twice; each point of the grid runs once")
    return values
