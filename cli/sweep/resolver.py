"""Finds the run of each point of a sweep, and checks whether `fit` would refuse it; starts and writes nothing."""

import contextlib
import json
import os
import re
import warnings
from collections import Counter
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
from training.program import ExperimentCLI, ParserOnly, quiet_lightning

OPTION = re.compile(r"--([\w.]+)=(.*)", re.DOTALL)
SEED = re.compile(r"0|[1-9]\d*")

SEEDS = ("seed_everything", "data.init_args.seed")
"""Keys of a resolved configuration that hold the seed."""

VERIFIED = 3
"""Number of configurations per family, put together from several options, that are compared with the parser's."""

KEPT = 16
"""Number of models, and of data modules, that are cached for later points."""

Config = dict[str, Any]
"""A resolved configuration, its keys joined by dots."""


@dataclass
class Family:
    """Command lines that differ only in the values of some options.

    Attributes:
        options: options of the first command line, name to text.
        config: configuration of the first command line.
        changes: (name, text) of an option to the keys that it changes in `config`, with their values.
        verified: number of configurations with several changed options that were compared with the parser's.
    """

    options: dict[str, str]
    config: Config
    changes: dict[tuple[str, str], Config] = field(default_factory=dict)
    verified: int = 0


class Resolver:
    """Finds the runs that `fit` command lines would start, and checks them; fast for many similar command lines.

    The parser takes a tenth of a second, so each value of an option is parsed once, not in each combination. Only an
    option that changes several keys of the configuration, as a class or a file does, is parsed in every combination.
    """

    def __init__(self) -> None:
        self._cli: PointCLI | None = None
        self._families: dict[tuple[str, ...], Family] = {}
        self._changing_more: set[str] = set()
        self._checked: set[int] = set()

    def __call__(self, arguments: list[str]) -> tuple[RunFolder, RunRecord]:
        """Returns the folder and the record of the run that `main.py *arguments` would start.

        Raises:
            UserError: if the arguments are invalid.
        """
        return identify(self.config(arguments))

    def config(self, arguments: list[str]) -> Config:
        """Returns the resolved configuration of `main.py *arguments`; raises UserError as `__call__` does."""
        line, options = self._split(arguments)
        if line not in self._families:
            first = dict.fromkeys(options.items(), Config())
            self._families[line] = Family(options, self._parse(arguments), first)
        family = self._families[line]
        config = family.config
        for option in options.items():
            if option not in family.changes and not self._learn(line, family, *option):
                self._changing_more.add(option[0])
                return self.config(arguments)
            config = config | family.changes[option]
        # Options might depend on one another, so the first combinations are parsed as well.
        if len(options.items() - family.options.items()) > 1 and family.verified < VERIFIED:
            family.verified += 1
            if config != self._parse(arguments):
                self._changing_more |= options.keys()
                return self.config(arguments)
        return config

    def check(self, arguments: list[str]) -> None:
        """Checks what `fit` checks before it writes anything; points that differ only in the seed are checked once.

        Raises:
            Exception: what `fit` raises.
        """
        point = hash(tuple(parts(self.config(arguments)).items()))
        if point in self._checked:
            return
        self._parse(arguments)
        try:
            self._cli.check()
        except Exception as error:
            if is_for_users(error):
                error.args = (self._cli.sources.located(str(error)),)
            raise
        self._checked.add(point)

    def _split(self, arguments: list[str]) -> tuple[tuple[str, ...], dict[str, str]]:
        """Returns the command line without the values of options that are parsed one by one, and these options."""
        found = [OPTION.fullmatch(argument) for argument in arguments]
        counts, line, options = Counter(match[1] for match in found if match), [], {}
        for argument, match in zip(arguments, found, strict=True):
            # Of an option that is given twice the last one counts, so both stay in the line.
            if match and counts[match[1]] == 1 and match[1] not in self._changing_more:
                options[match[1]] = match[2]
                argument = f"--{match[1]}="
            line.append(argument)
        return tuple(line), options

    def _learn(self, line: tuple[str, ...], family: Family, name: str, text: str) -> bool:
        """Parses the family's first line with another value of one option; returns False if several keys changed."""
        if name == "seed_everything" and SEED.fullmatch(text) and not any(".seed=" in each for each in line):
            # The most frequent option needs no parser; with data.seed given, the parser refuses all other seeds.
            family.changes[name, text] = dict.fromkeys(SEEDS, int(text))
            return True
        texts = {f"--{each}=": f"--{each}={value}" for each, value in (family.options | {name: text}).items()}
        parsed = self._parse([texts.get(argument, argument) for argument in line])
        changed = {key: value for key, value in parsed.items() if family.config.get(key) != value}
        family.changes[name, text] = changed
        return len(changed) <= 1 and parsed.keys() == family.config.keys()

    def _parse(self, arguments: list[str]) -> Config:
        if self._cli is None:
            self._cli = PointCLI(arguments)
        else:
            # Lightning caches the dump of the configuration, and would return that of the first one.
            vars(self._cli).pop("config_dump", None)
            self._cli.parse_arguments(self._cli.parser, configurations_first(arguments))
        return flatten(self._cli.plain_config())


def parts(config: Config) -> dict[str, str]:
    """Returns the settings of model, data and the rest as texts, without the seed, on which no check depends."""
    found: dict[str, Config] = {"model": {}, "data": {}, "rest": {}}
    for key in config.keys() - SEEDS:
        group = key.partition(".")[0]
        found[group if group in found else "rest"][key] = config[key]
    return {name: json.dumps(values, sort_keys=True, default=str) for name, values in found.items()}


class PointCLI(ParserOnly):
    """Checks the configuration that was parsed last as `fit` does; points share equal models, data and trainers."""

    def check(self) -> None:
        """Runs the checks of `fit` that come before it writes anything, and raises what they raise."""
        keys, chosen = parts(flatten(self.plain_config())), self.config.fit
        with _unnoticed():
            ExperimentCLI.before_instantiate_classes(self)
            self.datamodule = self._shared("data", keys["data"], lambda: self.build("data", chosen.data))
            self.config_init = Namespace(trainer=self.build("trainer", chosen.trainer))
            try:
                # The meta device takes a tenth of the time. A network that fails there may still work on the CPU.
                self._check_model("meta", keys)
            except Exception:
                self._check_model("cpu", keys)

    def _check_model(self, device: str, keys: dict[str, str]) -> None:
        chosen = self.config.fit
        with torch.device(device):
            self.model = self._shared(f"model on {device}", keys["model"], lambda: self.build("model", chosen.model))
        if chosen.optimizer:
            guarded(self._build_optimizer, name_class(flatten(self.plain_config())))
        self.trainer = self._shared("trainer", keys["rest"], self.instantiate_trainer)
        if chosen.ckpt_path:
            check_fits(self.model, chosen.ckpt_path)
        self.check_settings()

    def _build_optimizer(self) -> None:
        built = instantiate_class(self.model.parameters(), self.config.fit.optimizer.as_dict())
        if scheduler := self.config.fit.lr_scheduler:
            instantiate_class(built, scheduler.as_dict())

    def build(self, name: str, config: Any) -> Any:
        """Builds the object of a part of the configuration: model, data or trainer."""
        build = partial(self._subcommand_parsers["fit"].instantiate_classes, Namespace({name: config}))
        return guarded(build, name_class(flatten(self.plain_config())))[name]

    def _shared(self, part: str, key: str, build: Callable[[], Any]) -> Any:
        built = vars(self).setdefault("_built", {}).setdefault(part, {})
        if key not in built:
            # Limited to save memory; the oldest one goes.
            if len(built) == KEPT:
                del built[next(iter(built))]
            built[key] = build()
        return built[key]


@contextlib.contextmanager
def _unnoticed() -> Iterator[None]:
    """Hides messages and warnings, which each run prints itself, and restores the environment: a check sets a port."""
    before = dict(os.environ)
    try:
        with quiet_lightning(), warnings.catch_warnings(action="ignore"):
            yield
    finally:
        os.environ.clear()
        os.environ.update(before)
