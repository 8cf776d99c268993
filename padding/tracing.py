"""Tells calls that run eagerly from calls that are traced or compiled."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

# Other subclasses (fake tensors, tensors of tracers, DTensor) hold no numbers, or only some of them.
_PLAIN = (Tensor, torch.nn.Parameter)


def is_compiled(module: torch.nn.Module) -> bool:
    """Whether the module is compiled by torch.compile."""
    return module._compiled_call_impl is not None or type(module).__name__ == "OptimizedModule"


def are_static(sizes: Sequence[int]) -> bool:
    """Whether torch.compile is compiling and knows these sizes, so that results from them may be constants."""
    if not torch.compiler.is_compiling():
        return False
    # Imported only here, because it loads sympy, which eager calls do not need.
    from torch.fx.experimental.symbolic_shapes import has_static_value

    return all(has_static_value(size) for size in sizes)


def may_compare(sizes: Sequence[int]) -> bool:
    """Whether the sizes are plain ints and no graph is being made; a comparison would tie a graph to one size."""
    return not (torch.compiler.is_compiling() or torch._C._is_tracing()) and all(type(size) is int for size in sizes)


def is_traced(*tensors: Tensor) -> bool:
    """Whether the call is traced or transformed, or any of the tensors is not a plain tensor.

    True under torch.compile, torch.export, torch.jit.trace, make_fx, fake tensors, dispatch modes, functorch
    transforms (vmap, grad, jvp) and forward-mode differentiation. Then nothing may be cached for later calls (a cache
    filled while exporting would hold a fake tensor and silently corrupt eager results), and nothing may be written
    in place; `may_compare` says whether sizes may be compared.
    """
    if torch.compiler.is_compiling() or torch._C._is_tracing():
        return True
    for tensor in tensors:  # runs at every call of every layer, and a loop takes half the time of any()
        if type(tensor) not in _PLAIN:
            return True
    return (
        torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
    )
