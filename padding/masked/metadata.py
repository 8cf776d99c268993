"""Functions that tell a tensor's form, not its values."""

import torch
from torch import Tensor

from padding.masked.registry import getters, namesakes

_PROPERTIES = (
    "shape",
    "ndim",
    "dtype",
    "device",
    "layout",
    "requires_grad",
    "is_cuda",
    "is_meta",
    "is_leaf",
    "is_quantized",
    "is_sparse",
    "is_mps",
    "is_xpu",
    "is_mkldnn",
    "is_nested",
    "names",
    "grad_fn",
    "itemsize",
    "nbytes",
    "_version",
)
_METHODS = (
    "size",
    "dim",
    "ndimension",
    "stride",
    "numel",
    "nelement",
    "element_size",
    "is_contiguous",
    "is_floating_point",
    "is_complex",
    "is_same_size",
    "is_inference",
    "is_conj",
    "get_device",
    "has_names",
    "data_ptr",
    "storage_offset",
    "_is_view",
    "__len__",
    "result_type",
)

METADATA = frozenset(
    [
        *getters(*(name for name in _PROPERTIES if hasattr(Tensor, name))),
        *namesakes(*_METHODS),
        torch._assert,
        torch.device,
        torch._C._set_grad_enabled,
        torch.ops.profiler._record_function_enter_new,
        torch.ops.profiler._record_function_exit._RecordFunction,
    ]
)
"""What a network may ask without being followed; that it does not come to wrong conclusions is lockstep's matter."""
