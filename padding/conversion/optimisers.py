"""Finds optimisers that were made before a conversion gave layers parameters, or took them away."""

import gc
import warnings
from collections.abc import Iterable

from torch import nn
from torch.optim import Optimizer


def warn_of_optimisers(layers: Iterable[nn.Module], stacklevel: int) -> None:
    """Warns if an optimiser that is alive trains weights of layers whose own parameters have just changed.

    An optimiser does not know of its model, so those alive are looked through: about 0.1 s, and only under schemes with
    parameters.
    """
    weights = {id(parameter) for layer in layers for parameter in layer._parameters.values() if parameter is not None}
    for optimiser in gc.get_objects():
        # By type: to ask a proxy for its class could run anything.
        if issubclass(type(optimiser), Optimizer) and any(
            id(parameter) in weights for group in optimiser.param_groups for parameter in group["params"]
        ):
            warnings.warn(
                f"an optimiser ({type(optimiser).__name__}) was made before the padding was converted, which gave "
                "layers parameters or took them away; make it anew from model.parameters()",
                stacklevel=stacklevel + 1,
            )
            return
