"""The points of a sweep: which run each one is, and whether `fit` would refuse it; nothing is started or written."""

import contextlib
import itertools
import json
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jsonargparse import Namespace
from pytorch_lightning.cli import instantiate_class

from records import RunFolder, RunRecord
from records.configuration import flatten
from records.errors import is_for_users
from training.checks.arguments import check_fits, configurations_first
from training.checks.trainer import guarded, name_class
from training.identity import identify
from training.program import ExperimentCLI, ParserOnly

OPTION = re.compile(r"--((?:model|data|trainer|run|convergence)\.[\w.]+|seed_everything)=(.*)", re.DOTALL)
SEED = re.compile(r"0|[1-9]\d*")

VERIFIED = 3
"""Configurations put together from several options that are compared with what the parser makes of them."""

KEPT = 16
"""Models, and data modules, that are kept for later points."""


@dataclass
class Family:
    """Command lines that differ in the values of some options alone.

    Attributes:
        options: of the first one, name to text.
        config: of the one that was asked for last.
        values: (name, text) of an option to its values at `places(name)`.
        verified: configurations of several changed options that were compared with the parser's.
    """

    options: dict[str, str]
    config: dict[str, Any]
    values: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    verified: int = 0

    def put(self, options: dict[str, str]) -> None:
        for option in options.items():
            for (*path, last), value in zip(places(option[0]), self.values[option], strict=True):
                _at(self.config, path)[last] = value


class Resolver:
    """Finds the runs that `fit` command lines would start, and checks them, many of them faster than one by one.

    The parser takes a tenth of a second. It parses each value of an option once, not each combination: an option that
    changes more than its own place in the configuration, as a class or a file does, is parsed in every combination.
    """

    def __init__(self) -> None:
        self._cli: PointCLI | None = None
        self._families: dict[tuple[str, ...], Family] = {}
        self._changing_more: set[str] = set()
        self._checked: set[int] = set()

    def __call__(self, arguments: list[str]) -> tuple[RunFolder, RunRecord]:
        """The folder and record of the run that `main.py *arguments` would start.

        Raises:
            UserError: if the arguments are invalid.
        """
        return identify(self.config(arguments))

    def config(self, arguments: list[str]) -> dict[str, Any]:
        """The resolved configuration as `parse` returns it; the next call may change it."""
        line, options = self._split(arguments)
        if line not in self._families:
            family = self._families[line] = Family(options, self._parse(arguments))
            try:
                family.values = {(name, options[name]): _values(family.config, name) for name in options}
            except KeyError as error:
                return self._parse_always({*error.args}, arguments)
        family = self._families[line]
        for name, text in options.items():
            if (name, text) not in family.values and not self._learn(line, family, name, text):
                return self._parse_always({name}, arguments)
        family.put(options)
        changed = sum(text != family.options[name] for name, text in options.items())
        if changed > 1 and family.verified < VERIFIED:
            family.verified += 1
            if family.config != self._parse(arguments):
                return self._parse_always(set(options), arguments)
        return family.config

    def check(self, arguments: list[str]) -> None:
        """Checks what `fit` checks before it writes anything. What does not differ but by seed is checked once.

        Raises:
            Exception: what `fit` raises.
        """
        config = self.config(arguments)
        data = {**config["data"], "init_args": {**(config["data"].get("init_args") or {}), "seed": None}}
        rest = {name: value for name, value in config.items() if name not in ("model", "data", "seed_everything")}
        keys = [json.dumps(part, sort_keys=True, default=str) for part in (config["model"], data, rest)]
        if hash(tuple(keys)) in self._checked:
            return
        self._parse(arguments)
        try:
            self._cli.check(*keys)
        except Exception as error:
            if is_for_users(error):
                error.args = (self._cli.sources.located(str(error)),)
            raise
        self._checked.add(hash(tuple(keys)))

    def _split(self, arguments: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
        """The command line without the values of the options that are parsed one by one, and these."""
        found = [OPTION.fullmatch(argument) for argument in arguments]
        names = [match[1] for match in found if match]
        plain = {
            name
            for place, name in enumerate(names)
            if name not in self._changing_more
            and "class_path" not in name
            and not any(_overlap(name, other) for other in names[:place] + names[place + 1 :])
        }
        line = [
            f"--{match[1]}=" if match and match[1] in plain else argument
            for match, argument in zip(found, arguments, strict=True)
        ]
        return tuple(line), {match[1]: match[2] for match in found if match and match[1] in plain}

    def _learn(self, line: tuple[str, ...], family: Family, name: str, text: str) -> bool:
        """Parses the family's first line with another value of one option; False if more than that changed."""
        if name == "seed_everything" and SEED.fullmatch(text):
            # The commonest option, and a number: see `add_arguments_to_parser` for its two places.
            family.values[name, text] = [int(text)] * 2
            return True
        texts = {f"--{each}=": f"--{each}={value}" for each, value in (family.options | {name: text}).items()}
        parsed = self._parse([texts.get(argument, argument) for argument in line])
        family.values[name, text] = _values(parsed, name)
        family.put(family.options | {name: text})
        return family.config == parsed

    def _parse_always(self, names: set[str], arguments: list[str]) -> dict[str, Any]:
        self._changing_more |= names
        return self.config(arguments)

    def _parse(self, arguments: list[str]) -> dict[str, Any]:
        if self._cli is None:
            self._cli = PointCLI(arguments)
        else:
            # Lightning dumps a configuration once, and would return the first one again.
            vars(self._cli).pop("config_dump", None)
            self._cli.parse_arguments(self._cli.parser, configurations_first(arguments))
        return self._cli.plain_config()


class PointCLI(ParserOnly):
    """Checks the configuration that was parsed last as `fit` does; points that have a part in common share it."""

    def check(self, model: str, data: str, rest: str) -> None:
        """Takes a key for each part: the model, the data, and all else, which decides the trainer."""
        with _unnoticed():
            ExperimentCLI.before_instantiate_classes(self)
            chosen = self.config.fit
            self.datamodule = self._shared("data", data, lambda: self.build("data", chosen.data))
            self.config_init = Namespace(trainer=self.build("trainer", chosen.trainer))
            try:
                # A tenth of the time. Whether a network that fails there fails for real, it has to show for real.
                self._check_model("meta", model, rest)
            except Exception:
                self._check_model("cpu", model, rest)

    def _check_model(self, device: str, model: str, rest: str) -> None:
        with torch.device(device):
            self.model = self._shared(f"model on {device}", model, lambda: self.build("model", self.config.fit.model))
        if optimizer := self.config.fit.optimizer:
            guarded(partial(self._build_optimizer, optimizer), name_class(flatten(self.plain_config())))
        self.trainer = self._shared("trainer", rest, self.instantiate_trainer)
        if self.config.fit.ckpt_path:
            check_fits(self.model, self.config.fit.ckpt_path)
        self.check_settings()

    def _build_optimizer(self, optimizer: Namespace) -> None:
        built = instantiate_class(self.model.parameters(), optimizer.as_dict())
        if scheduler := self.config.fit.lr_scheduler:
            instantiate_class(built, scheduler.as_dict())

    def build(self, name: str, config: Any) -> Any:
        """Makes the object of a part of the configuration: model, data or trainer."""
        build = partial(self._subcommand_parsers["fit"].instantiate_classes, Namespace({name: config}))
        return guarded(build, name_class(flatten(self.plain_config())))[name]

    def _shared(self, part: str, key: str, build: Callable[[], Any]) -> Any:
        built = vars(self).setdefault("_built", {}).setdefault(part, {})
        if key not in built:
            if len(built) == KEPT:
                del built[next(iter(built))]
            built[key] = build()
        return built[key]


def places(name: str) -> list[list[str]]:
    """Where an option stands in the resolved configuration."""
    if name == "seed_everything":
        return [[name], ["data", "init_args", "seed"]]
    group, *rest = name.split(".")
    inside = ["init_args"] if group in ("model", "data") and rest[0] != "init_args" else []
    return [[group, *inside, *rest]]


def _overlap(name: str, other: str) -> bool:
    """Whether one of two options stands at or within a place of the other."""
    return any(
        all(a == b for a, b in zip(*two, strict=False)) for two in itertools.product(places(name), places(other))
    )


def _values(config: dict[str, Any], name: str) -> list[Any]:
    """Raises KeyError(name) where the option has no place of its own."""
    try:
        return [_at(config, path) for path in places(name)]
    except (KeyError, TypeError):
        raise KeyError(name) from None


def _at(config: dict[str, Any], path: list[str]) -> Any:
    for key in path:
        config = config[key]
    return config


@contextlib.contextmanager
def _unnoticed() -> Iterator[None]:
    """Without lines and warnings, which each run prints itself, and without the port noted for processes to come."""
    before = dict(os.environ)
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
        os.environ.clear()
        os.environ.update(before)
