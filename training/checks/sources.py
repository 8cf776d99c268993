"""Finds where a setting was given: on the command line, or in a line of a configuration file."""

import difflib
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from records.errors import UserError

Line = tuple[str, int, str | None]

CONFIGURATION = "a configuration is a mapping with keys such as model, data and trainer"

MOST_NODES = 100_000
"""Number of values that a configuration may hold with its aliases expanded: nested aliases grow exponentially."""


NAMES = r"`(\w+)`|^(\w+) (?=is |must |holds )|(?<![-\w])((?:model|data|trainer|run|convergence|prediction)\.[\w.]*\w)"
"""Matches the names of settings in messages: `batch_size`, a first word, model.lr."""


GROUPS = [
    "ckpt_path",
    "config",
    "convergence",
    "data",
    "help",
    "lr_scheduler",
    "model",
    "optimizer",
    "prediction",
    "print_config",
    "return_predictions",
    "run",
    "seed_everything",
    "trainer",
    "verbose",
    "weights_only",
]
"""First parts of the options of fit, validate, test and predict."""


def refuse_unknown(arguments: Sequence[str]) -> None:
    """Refuses options of an unknown group within a second: the parser that knows all options needs to import torch.

    Raises:
        UserError: as the parser does.
    """
    for argument in arguments[1:]:
        option = argument.partition("=")[0]
        group, dot, rest = option.removeprefix("--").partition(".")
        if argument.startswith("--") and group.removesuffix("+") not in GROUPS:
            known = nearest(group, GROUPS).replace("?", f"{dot}{rest}?")
            raise UserError(f"{option} is no option{known} (python main.py {arguments[0]} --help lists the options)")


class Sources:
    """The options and configuration files of a command line, and the lines in which the files give their settings.

    Keys are written as on the command line: without `init_args`, the level of a file between a class and its arguments.

    Args:
        arguments: command line, beginning with the subcommand; files come before the options that override them.

    Raises:
        UserError: if a file is missing, is no YAML mapping, gives a key twice, or is a sweep file.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self.given: dict[str, str] = {}
        self.lines: dict[str, str] = {}
        self.texts: dict[str, str | None] = {}
        words = list(arguments[1:])
        while words:
            name, equals, value = words.pop(0).partition("=")
            if not equals and words and not words[0].startswith("--"):
                value = words.pop(0)
            key = name.removeprefix("--").replace(".init_args.", ".")
            if key not in ("config", "-c"):
                self.given[key] = value
            elif value and "://" not in value:
                lines = list(read_lines(Path(value), f"--config: {value}", CONFIGURATION))
                if {"method", "parameters"} <= {key for key, *_ in lines}:
                    raise UserError(f"{value} is a sweep file, no configuration; python main.py sweep {value} runs it")
                for key, line, text in lines:
                    self.lines[key], self.texts[key] = f"{value}, line {line}", text

    def where(self, key: str, value: str | None = None) -> str:
        """Returns ` (FILE, line N)` if a file gave the setting, or one that contains it; "" for an option.

        Args:
            value: refused value, if known: it tells whether an option gave it or the file that the option overrides.
        """
        if value is not None and any(_is_below(key, name) and _alike(value, text) for name, text in self.given.items()):
            return ""
        parts = key.split(".")
        for length in range(len(parts), 0, -1):
            name = ".".join(parts[:length])
            given = [text for option, text in self.given.items() if _is_below(option, name)]
            if given and (value is None or name != key or any(_alike(value, text) for text in given)):
                return ""
            # Not the line of a mapping for a key inside it, which would have a line of its own.
            if name in self.lines and (name == key or self.texts[name] is not None):
                return f" ({self.lines[name]})"
        return ""

    def located(self, message: str) -> str:
        """Appends the file and line of the first setting that the message names, if a file gave that setting."""
        found = re.findall(NAMES, message.partition("; did you mean")[0])
        for name, option in itertools.product([dotted for *_, dotted in found if dotted], self.given):
            if _is_below(option, name) or option == name.removesuffix(".class_path"):
                return message  # an option gave the setting, even if a file gives it, too
        for quoted, first, dotted in found:
            short = quoted or first
            wanted = [key for key in self.lines if key == dotted or (short and key.rpartition(".")[2] == short)]
            if wanted and (where := self.where(wanted[0])) and ", line " not in message:
                return f"{message}{where}"
        return message


def _alike(value: str, text: str) -> bool:
    """Returns whether two texts are the same value, or `value` is in the list `text`; Python's or YAML's notation."""
    plain, other = (re.sub(r"[\s'\"]", "", each).replace("None", "null") for each in (value, text))
    return plain == other or plain in other.strip("[]").split(",")


def _is_below(key: str, other: str) -> bool:
    return key == other or key.startswith(f"{other}.")


def nearest(name: str, known: Sequence[str]) -> str:
    """Returns `; did you mean NAME?`, or "" if no known name is similar or begins with `name`."""
    found = [each for each in known if each.startswith(name)] or difflib.get_close_matches(name, known, 1, 0.7)
    return f"; did you mean {found[0]}?" if found else ""


def read_lines(path: Path, given: str, content: str) -> Iterator[Line]:
    """Yields the keys of a YAML file, their lines (from 1), and their values as written, None for a mapping.

    Args:
        given: path as the user gave it, for the message that the file cannot be read.
        content: sentence for messages on what the file must hold.

    Raises:
        UserError: if the file cannot be read, is no YAML mapping, or gives a key twice.
    """
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{given} cannot be read: {error.strerror}; name a YAML file: {content}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text: {error.reason} at byte {error.start}; name a YAML file") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: not valid YAML: {getattr(error, 'problem', None) or error}") from None
    if not isinstance(node, yaml.MappingNode):
        kind = "is empty" if node is None else f"holds a {'list' if isinstance(node, yaml.SequenceNode) else 'text'}"
        raise UserError(f"{path} {kind}; {content}")
    _refuse_endless(node, path)
    return _keys(node, "", lambda mark, text: UserError(f"{path}, line {mark.line + 1}: {text}"))


def _refuse_endless(node: yaml.Node, path: Path) -> None:
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) not in sizes:
            # Counts as too large until its size is known: an alias inside the node that it names is found by this.
            sizes[id(node)] = MOST_NODES
            children = [] if isinstance(node, yaml.ScalarNode) else node.value
            pairs = [each for pair in children for each in (pair if isinstance(pair, tuple) else (pair,))]
            sizes[id(node)] = 1 + sum(map(size, pairs))
        return sizes[id(node)]

    if size(node) >= MOST_NODES:
        raise UserError(f"{path} holds aliases (*name) that make over {MOST_NODES} values, or stand in themselves")


def _keys(node: yaml.Node, prefix: str, wrong: Callable[[yaml.Mark, str], UserError]) -> Iterator[Line]:
    seen: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
            raise wrong(
                key.start_mark, f"the key {getattr(key, 'value', None)!r:.40} is no text; keys are options' names"
            )
        line = key.start_mark.line + 1
        within = key.value == "init_args"
        name = prefix if within else f"{prefix}.{key.value}".removeprefix(".")
        if key.value in seen and key.value != "<<":
            raise wrong(key.start_mark, f"{name} is there twice, first in line {seen[key.value]}; leave one")
        if value.tag.startswith("tag:yaml.org,2002:python"):
            raise wrong(value.start_mark, f"{name} holds {value.tag.rpartition(':')[2]}; give plain values")
        seen[key.value] = line
        if not within:
            yield name, line, None if isinstance(value, yaml.MappingNode) else str(value.value)
        if isinstance(value, yaml.MappingNode):
            yield from _keys(value, name, wrong)
