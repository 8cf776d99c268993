"""Whether a call runs now or is being recorded."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.autograd import forward_ad

# Other subclasses (fake tensors, a tracer's, DTensor) hold no numbers yet, or not all of them.
_PLAIN = (Tensor, torch.nn.Parameter)


def is_compiled(module: torch.nn.Module) -> bool:
    """Whether torch.compile stands between the module and its functions."""
    return module._compiled_call_impl is not None or type(module).__name__ == "OptimizedModule"


def are_static(sizes: Sequence[int]) -> bool:
    """Whether a compiler is at work and these are plain numbers to it, so that what follows may be a constant."""
    if not torch.compiler.is_compiling():
        return False
    # Imported only here: it loads sympy, which eager calls need not wait for.
    from torch.fx.experimental.symbolic_shapes import has_static_value

    return all(has_static_value(size) for size in sizes)


def may_compare(sizes: Sequence[int]) -> bool:
    """Whether these are plain numbers, and no graph is made that a comparison would tie to one size."""
    return not (torch.compiler.is_compiling() or torch._C._is_tracing()) and all(type(size) is int for size in sizes)


def is_traced(*tensors: Tensor) -> bool:
    """Whether any of the tensors, or the running mode, is something else than numbers in memory.

    True under torch.compile, torch.export, torch.jit.trace, make_fx, fake tensors, dispatch modes, functorch
    transforms (vmap, grad, jvp) and forward-mode differentiation. Then nothing may be kept for later calls (a cache
    filled while exporting would hold a fake tensor and silently corrupt eager results), and nothing may be written
    in place; `may_compare` says whether sizes may be compared.
    """
    if torch.compiler.is_compiling() or torch._C._is_tracing():
        return True
    for tensor in tensors:  # asked at every call of every layer: a loop takes half the time of any()
        if type(tensor) not in _PLAIN:
            return True
    return (
        torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
        or forward_ad._current_level >= 0
    )
