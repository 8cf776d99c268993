"""Which rule follows which torch function."""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from padding.masked.call import Call, Result

Rule = Callable[[Call], Result]

_NAMESPACES = (torch, Tensor, F, torch._C._nn, torch.special, torch.linalg)
_RULES: dict[Callable, Rule] = {}


def rule(*names: str) -> Callable[[Rule], Rule]:
    """Decorator: follows all functions of these names, as torch's function, tensor method, or functional."""

    def register(follow: Rule) -> Rule:
        for function in namesakes(*names):
            _RULES[function] = follow
        return follow

    return register


def rule_for(function: Callable) -> Callable[[Rule], Rule]:
    """Decorator: follows this function."""

    def register(follow: Rule) -> Rule:
        _RULES[function] = follow
        return follow

    return register


def find_rule(function: Callable) -> Rule | None:
    """The rule of a function, or None."""
    return _RULES.get(function)


def namesakes(*names: str) -> Iterator[Callable]:
    """All torch functions of these names."""
    for name in names:
        for namespace in _NAMESPACES:
            function = getattr(namespace, name, None)
            if callable(function):
                yield function


def getters(*names: str) -> Iterator[Callable]:
    """The functions behind a tensor's properties, as a mode sees them."""
    for name in names:
        yield getattr(Tensor, name).__get__
