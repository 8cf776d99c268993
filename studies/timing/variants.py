"""One network under several schemes at once, for measuring them in turns."""

import copy
import inspect
from collections.abc import Sequence
from itertools import chain

import torch
from torch import nn

from padding import ConversionReport, convert_padding
from studies.runs.collect import REFERENCE
from studies.timing.record import NULL


def variant_names(schemes: Sequence[str]) -> list[str]:
    """Zero padding, zero padding again as the null pair, and `schemes`."""
    return [REFERENCE, NULL, *dict.fromkeys(scheme for scheme in schemes if scheme != REFERENCE)]


def make_variant(network: nn.Module, name: str) -> tuple[nn.Module, ConversionReport | None]:
    """A copy of `network` under the scheme `name`; the null pair is a copy that is padded with zeros.

    Modules are new, parameters and buffers are those of `network`: however many copies there are, memory holds one.

    Raises:
        PaddingError: if the scheme cannot be put on the network.
    """
    shared = {id(tensor): tensor for tensor in chain(network.parameters(), network.buffers())}
    variant = copy.deepcopy(network, shared)
    return variant, None if name in (REFERENCE, NULL) else convert_padding(variant, name)


def compile_variant(variant: nn.Module) -> nn.Module:
    """`torch.compile`, for each size a graph of its own, and these kept apart from those of other copies.

    Copies share their code, and torch keeps compiled graphs by code: every call would first try the graphs of the other
    copies, and from the ninth on none would be compiled. Older versions of torch know no other way.
    """
    apart = {"isolate_recompiles": True} if "isolate_recompiles" in inspect.signature(torch.compile).parameters else {}
    return torch.compile(variant, dynamic=False, **apart)
