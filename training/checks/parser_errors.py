"""Rewrites jsonargparse's errors to one line: key, value, allowed values, and where the setting was given."""

import inspect
import itertools
import re
from collections.abc import Sequence
from pydoc import locate

from training.checks.sources import Sources, nearest

WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "text",
    "list": "a list, such as [1, 2]",
    "dict": "a mapping, such as {name: value}",
    "NoneType": "null",
}
NOISE = re.compile(r"Does not validate against|Subtypes:|Errors:|Given value|Expected a path but|Subclass types expect")


def readable(message: str, sources: Sources, options: Sequence[str]) -> str:
    """Makes a message for the user from a parser's error.

    Args:
        message: message that jsonargparse raised.
        sources: sources of the parsed arguments.
        options: options of the subcommand, such as trainer.max_epochs.
    """
    if unknown := re.search(
        r"Option '(.+?)' is not|does not accept option '(.+?)'|unrecognized arguments: (.*)", message
    ):
        return _unknown(unknown[1] or unknown[2] or unknown[3], message, sources, options)
    key = _key(message)
    if missing := re.search(r"the following arguments are required: (\S+)", message):
        todo = "give it" if sources.lines else "say --config=FILE, such as RUN/config.yaml of a run"
        return f"{key}.{missing[1]} is missing; {todo}{sources.where(key)}"
    if not key:
        return " ".join(message.split())
    innermost = _innermost(message)
    value = re.search(r"Got value: (.*)|Given value: (.*)|Unable to load config '(.*)'", innermost)
    given = next(filter(None, value.groups()), "") if value else ""
    given = re.sub(r"NestedArg\(key='.*?', val='?(.*?)'?\)", r"\1", given)
    if named := re.search(r"Expected a dot import path string: (\S+)", innermost):
        given = named[1]
    where, expected = sources.where(f"{key}.class_path" if named else key, given), _expected(innermost)
    if given in ("True", "False") and expected.startswith(WORDS["str"]):
        text = sources.texts.get(key, given)
        return f"{key} is {text}, which YAML reads as {given}; it must be text, so put it in quotes: '{text}'{where}"
    if expected not in ("", WORDS["NoneType"]) and "Problem with given" not in innermost:
        return f"{key} is {given or 'empty'}; it must be {expected}{where}"
    return f"{key}: {_plain(innermost)}{sources.where(f'{key}.class_path', given)}"


def _innermost(message: str) -> str:
    """Returns the part of the message about the innermost key; the parts of outer keys list what these may be."""
    before, _, after = message.rpartition('Parser key "')
    indent = len(before) - len(before.rstrip(" "))
    first, *lines = after.partition('":')[2].splitlines()
    inner = itertools.takewhile(lambda line: not line or len(line) - len(line.lstrip()) >= indent, lines)
    return "\n".join([first, *inner])


def _key(message: str) -> str:
    """Joins the nested keys of a message: `model`, then `lr` inside it, make `model.lr`."""
    parts: list[str] = []
    for found in re.findall(r'Parser key "([^"]+)"', message):
        if found not in parts:
            parts.append(found)
    return ".".join(parts)


def _expected(text: str) -> str:
    """Describes the allowed values, such as `a whole number, or null`."""
    found: list[str] = []
    for line in text.splitlines():
        if type_ := re.search(r"Expected an? <class '(\w+)'>", line):
            found.append(WORDS.get(type_[1], type_[1]))
        elif literal := re.search(r"Expected a typing\.Literal\[(.*?)\](?:\. Got|$)", line):
            found.append("one of " + literal[1].replace("'", ""))
        elif tuple_ := re.search(r"Expected a tuple with (\d+) elements", line):
            found.append(f"a list of {tuple_[1]} values")
        elif re.search(r"Expected a dot import path string|Unexpected import path", line):
            found.append("a class, such as package.module.Class")
    return ", or ".join(dict.fromkeys(found))


def _plain(text: str) -> str:
    lines = [line.strip().removeprefix("- ") for line in text.splitlines()]
    kept = [line for line in lines if line and not NOISE.match(line) and not line.startswith("Expected a <class")]
    return " ".join(dict.fromkeys(kept))


def _unknown(said: str, message: str, sources: Sources, options: Sequence[str]) -> str:
    """Makes the message about an unknown option, with the nearest known one."""
    owners = re.findall(r"Problem with given class_path '(.+?)'", message)
    option = said.split()[0].partition("=")[0]
    key = ".".join(filter(None, (_key(message), option.lstrip("-")))).replace(".init_args.", ".")
    if owners:
        prefix = key.rpartition(".")[0]
        # Base classes, too: a class passes on the arguments that it does not name itself.
        taken = [inspect.signature(each).parameters for each in locate(owners[-1]).__mro__[:-1]]
        options = [f"{prefix}.{name}" for name in itertools.chain(*taken)]
    elif (group := key.partition(".")[0]) not in {option.partition(".")[0] for option in options}:
        # Names the group alone: the keys that a file holds below a misspelt group are right.
        return f"{option} is no option{nearest(key, options)}{sources.where(group)}"
    of = f" of {owners[-1].rpartition('.')[2]}" if owners else ""
    return f"{key} is no option{of}{nearest(key, options)}{sources.where(key)}"
