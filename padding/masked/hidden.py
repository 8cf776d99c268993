"""Models whose functions no mode can see."""

import torch
from torch import nn

from padding.errors import UnfollowableError


def refuse_hidden(model: nn.Module) -> None:
    """Refuses what hides the functions that are to be followed.

    Raises:
        UnfollowableError: the model runs in threads or with other processes, or part of it was compiled or traced.
    """
    if isinstance(model, nn.DataParallel):
        raise UnfollowableError("DataParallel runs a network in threads, which lose masks; use model.module")
    if isinstance(model, nn.parallel.DistributedDataParallel):
        # Its copy would talk to the other processes, as often as this one meets new sizes.
        raise UnfollowableError("DistributedDataParallel synchronises its buffers in each run; use model.module")
    for name, module in model.named_modules():
        if isinstance(module, torch.jit.ScriptModule | torch.fx.GraphModule) or is_compiled(module):
            where = f"layer '{name}'" if name else "the model"
            raise UnfollowableError(
                f"{where} is compiled or traced: its functions cannot be followed; use the original"
            )


def is_compiled(module: nn.Module) -> bool:
    """Whether torch.compile stands between the module and its functions."""
    return module._compiled_call_impl is not None or type(module).__name__ == "OptimizedModule"
