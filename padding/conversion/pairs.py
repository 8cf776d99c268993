"""Pairs zero padding modules with the convolutions after them, to convert both as one padded convolution."""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple, TypeGuard

from torch import nn

from padding.conversion.layers import DEFERRED, built_mode, original_class
from padding.conversion.sites import LEAVE, UNSUPPORTED, Decision
from padding.geometry import SAME_DYNAMIC, Pads
from padding.registry import find_convolution

_POOLS = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)


class Pair(NamedTuple):
    """A padding module, and the convolution that can take over its pads."""

    padder: nn.Module
    convolution: nn.Module
    pads: Pads


def is_zero_pad(module: nn.Module | None) -> TypeGuard[nn.modules.padding._ConstantPadNd]:
    """Whether the module is a padding module that adds zeros."""
    return isinstance(module, nn.modules.padding._ConstantPadNd) and module.value == 0 and any(module.padding)


def find_pairs(
    model: nn.Module, followers: Mapping[nn.Module, nn.Module]
) -> tuple[list[Pair], dict[nn.Module, Decision]]:
    """Finds all pairs in plain Sequentials or among `followers`, and decides on zero padding modules without a pair.

    Args:
        model: any model.
        followers: result of `find_followers`; empty without an example.
    """
    uses = Counter(child for parent in model.modules() for child in parent._modules.values())
    pairs: list[Pair] = []
    verdicts: dict[nn.Module, Decision] = {}
    for parent in model.modules():
        in_sequence = type(parent).forward is nn.Sequential.forward
        children = [child for child in parent._modules.values() if child is not None and type(child) is not nn.Identity]
        for child, follower in pairwise([*children, None]):
            if not is_zero_pad(child):
                continue
            pair = _pair(child, follower, uses) if in_sequence else None
            pair = pair or _pair(child, followers.get(child), uses)
            if pair:
                pairs.append(pair)
            elif followers.get(child) is child:
                verdicts[child] = Decision(LEAVE, "does not run on the example")
            else:
                verdicts[child] = _verdict(child, follower if in_sequence else None)
    return pairs, verdicts


def _pair(padder: Any, follower: Any, uses: Mapping[nn.Module | None, int]) -> Pair | None:
    if follower is None or original_class(padder) not in DEFERRED or min(padder.padding) < 0:
        return None
    site = find_convolution(original_class(follower))
    if site is None or site.transposed or site.padding(follower) == SAME_DYNAMIC:
        return None
    # A module used at several places of the model pads, or convolves, elsewhere without the other one.
    if uses[padder] > 1 or uses[follower] > 1:
        return None
    if built_mode(follower) != "zeros" or getattr(follower, "pad_mode", "constant") != "constant":
        return None
    # The module's padding starts at the last axis, `Pads` at the first one.
    pads = tuple(zip(padder.padding[::2], padder.padding[1::2], strict=True))[::-1]
    return Pair(padder, follower, pads) if len(pads) == len(follower.kernel_size) else None


def _verdict(padder: nn.Module, follower: nn.Module | None) -> Decision:
    if isinstance(follower, _POOLS):
        return Decision(LEAVE, f"its zeros are read by a pool ({type(follower).__name__}), not by a convolution")
    return Decision(UNSUPPORTED, "adds zeros that cannot be matched to one convolution right behind it in a Sequential")
