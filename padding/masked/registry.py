"""Which rule follows which torch function, and which functions need none."""

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
    return rule_for(*namesakes(*names))


def rule_for(*functions: Callable) -> Callable[[Rule], Rule]:
    """Decorator: follows these functions."""

    def register(follow: Rule) -> Rule:
        _RULES.update(dict.fromkeys(functions, follow))
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


_PROPERTIES = """
ndim dtype device layout requires_grad is_cuda is_meta is_leaf is_quantized is_sparse is_mps is_xpu is_mkldnn is_nested
names grad_fn itemsize nbytes _version
"""
_METHODS = """
dim ndimension stride nelement element_size is_contiguous is_floating_point is_complex is_same_size is_inference is_conj
get_device has_names data_ptr storage_offset _is_view __len__ result_type
"""

SIZES = frozenset([Tensor.shape.__get__, *namesakes("size", "numel")])
"""Functions that give sizes."""

METADATA = frozenset(
    [
        *(getattr(Tensor, name).__get__ for name in _PROPERTIES.split() if hasattr(Tensor, name)),
        *namesakes(*_METHODS.split()),
        torch._assert,
        torch.device,
        torch._C._set_grad_enabled,
        torch.ops.profiler._record_function_enter_new,
        torch.ops.profiler._record_function_exit._RecordFunction,
    ]
)
"""Functions that read form only, not values; passed through unchanged."""
