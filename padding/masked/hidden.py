"""Models whose functions no mode can see."""

import torch
from torch import nn

from padding.errors import UnfollowableError
from padding.tracing import is_compiled


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


def has_hooks(model: nn.Module) -> bool:
    """Whether any module calls functions of somebody else when it runs."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def refuse_recomputing(model: nn.Module) -> None:
    """Refuses a network that runs parts of itself again for its gradients, when no mode is there to see it.

    timm's networks say so by `grad_checkpointing`. What others do by torch.utils.checkpoint cannot be known.

    Raises:
        UnfollowableError: it does, and gradients are on.
    """
    if torch.is_grad_enabled() and any(getattr(module, "grad_checkpointing", False) for module in model.modules()):
        raise UnfollowableError(
            "gradient checkpointing runs layers again in the backward pass, where masks are lost; turn it off with "
            "model.set_grad_checkpointing(False), or run under torch.no_grad()"
        )
