"""Finds optimisers that were made before a conversion added or removed parameters of layers."""

import gc
import warnings
from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer


def warn_of_optimisers(layers: Iterable[nn.Module], stacklevel: int) -> None:
    """Warns if an existing optimiser trains weights of layers to which a conversion just added or removed parameters.

    A model does not know its optimisers, so all of Python's objects are searched: about 0.1 s, and only under schemes
    with parameters.
    """
    weights = {id(parameter) for layer in layers for parameter in layer._parameters.values() if parameter is not None}
    for optimiser in gc.get_objects():
        # Not isinstance: reading the `__class__` of a proxy object could run any code.
        if issubclass(type(optimiser), Optimizer) and any(
            id(parameter) in weights for group in optimiser.param_groups for parameter in group["params"]
        ):
            warnings.warn(
                f"an optimiser ({type(optimiser).__name__}) was made before the padding was converted, which gave "
                "layers parameters or took them away; make it anew from model.parameters()",
                stacklevel=stacklevel + 1,
            )
            return
