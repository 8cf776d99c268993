"""Finds convolutions that parallel branches were fused into (RepVGG and its relatives).

A sum of a 3x3 and a 1x1 convolution is one 3x3 convolution under zero padding. Under partial padding it is not: at the
border the 3x3 branch is re-weighted and the 1x1 branch, which never leaves the input, is not. So branches must be
converted before they are fused, but fusing leaves plain convolutions behind. A block whose method deletes branches when
it fuses them is recognised by that, whoever wrote it (RepVGG, MobileOne, YOLO's RepConv); the table lists blocks of
timm that fuse in other ways. (Fusing a convolution with its batch norm alone stays exact, and is not reported.)
"""

import dis
import functools
import inspect
from collections.abc import Iterator
from typing import NamedTuple

from torch import nn
from torch.utils._pytree import tree_leaves


class _Place(NamedTuple):
    """Where a block of timm holds its fused convolutions; an unfused block has None or no bare convolution there."""

    paths: tuple[str, ...]
    """Dotted attributes; a last part `*` means the children of a sequence."""
    flag: str | None = None
    """The attribute that is true if the block is fused; None if the paths alone show it."""


_FOLDED_RESIDUALS = _Place(("dwconv1.conv", "dwconv2.conv"), flag="fused")

_PLACES: dict[str, _Place] = {
    "timm.models.ghostnet.GhostModuleV3": _Place(("primary_conv.*", "cheap_operation.*"), flag="infer_mode"),
    "timm.models.repvit.RepViTBlock": _Place(("token_mixer",)),
    "timm.models.iformer.StageBlock": _Place(("blocks.*",)),
    "timm.models.shvit.BasicBlock": _Place(("conv",)),
    "timm.models.shvit.StageBlock": _Place(("downsample.*",)),
    "timm.models.efficientvim.PatchMerging": _FOLDED_RESIDUALS,
    "timm.models.efficientvim.EfficientViMBlock": _FOLDED_RESIDUALS,
}


def class_path(kind: type) -> str:
    """The full name of a class; tables use names because the installed timm may lack some of the classes."""
    return f"{kind.__module__}.{kind.__qualname__}"


def fused_convolutions(block: nn.Module) -> Iterator[nn.Module]:
    """Yields the convolutions in `block` that a sum of branches was fused into."""
    paths = list(_left_by_fusing(block))
    place = _PLACES.get(class_path(type(block)))
    if place is not None and (not place.flag or getattr(block, place.flag, False)):
        paths += place.paths
    for path in paths:
        for child in _at(block, path.split(".")):
            if isinstance(child, nn.Conv2d):
                yield child


def _left_by_fusing(block: nn.Module) -> Iterator[str]:
    """Yields names of modules that a method of the block sets while it deletes others, if the others are gone."""
    kind: type = type(block)
    for written, deleted in _deleting_methods(kind):
        present = {name for name in written if isinstance(getattr(block, name, None), nn.Module)}
        lost = deleted - present
        if lost and not any(isinstance(getattr(block, name, None), nn.Module) for name in lost):
            yield from present


@functools.cache
def _deleting_methods(kind: type) -> list[tuple[set[str], set[str]]]:
    """(attributes set, attributes deleted) of each method of a class that deletes attributes, from its bytecode."""
    found = []
    for method in vars(kind).values():
        if not inspect.isfunction(method):
            continue
        steps = list(dis.get_instructions(method))
        deleted = {step.argval for step in steps if step.opname == "DELETE_ATTR"}
        if {"__delattr__", "delattr"} & {step.argval for step in steps if isinstance(step.argval, str)}:
            constants = [step.argval for step in steps if step.opname == "LOAD_CONST"]
            deleted |= {name for name in tree_leaves(constants) if isinstance(name, str) and name.isidentifier()}
        if deleted:
            found.append(({step.argval for step in steps if step.opname == "STORE_ATTR"}, deleted))
    return found


def _at(module: nn.Module, path: list[str]) -> Iterator[nn.Module]:
    if not path:
        yield module
    elif path[0] == "*":
        yield from module.children() if isinstance(module, nn.Module) else ()
    elif (child := getattr(module, path[0], None)) is not None:
        yield from _at(child, path[1:])
