"""Decides for each module of a network whether to convert it, leave it, or report it as unsupported.

Convolutions are decided by exact type. Padding inside a block's forward does not show in its children: timm_blocks.py
lists such blocks of timm; dry_run.py finds those of other libraries by running the model.
"""

from typing import NamedTuple

import torch
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.lazy import LazyModuleMixin

from padding.conversion.fused import class_path
from padding.conversion.layers import original_class, pads_anything
from padding.conversion.timm_blocks import PADDING_BLOCKS
from padding.errors import PaddingError
from padding.registry import Convolution, Scheme, find_convolution
from padding.schemes.transposed import meets_border

CONVERT, LEAVE, UNSUPPORTED = "convert", "leave", "unsupported"


class Decision(NamedTuple):
    """The decision on a module, and its reason."""

    outcome: str
    reason: str = ""


_MAX_POOLS = (nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d)
_AVERAGE_POOLS = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
_CONSTANT_PADS = (nn.ConstantPad1d, nn.ConstantPad2d, nn.ConstantPad3d)
_FILLING_PADS = (
    nn.modules.padding._ReflectionPadNd,
    nn.modules.padding._ReplicationPadNd,
    nn.modules.padding._CircularPadNd,
)


def judge(name: str, module: nn.Module, parent: nn.Module | None, target: Scheme, axes: int) -> Decision | None:
    """Decides how to make a module pad by `target`; None if the module does not pad.

    `axes` is the largest number of axes that a convolution of the model slides over: 2 for images.

    Raises:
        PaddingError: a padded convolution cannot be converted without changing what it computes.
    """
    kind = original_class(module)
    if issubclass(kind, _ConvTransposeNd):
        return _judge_transposed(name, module, target)
    if issubclass(kind, nn.Conv1d) and axes > 1:
        return _left_if(_amounts(module), "runs over channels or tokens of a network of images: no border of an image")
    site = find_convolution(kind)
    if site is not None:
        return _judge_convolution(name, module, site, target)
    if issubclass(kind, _ConvNd):
        return _judge_unknown_convolution(name, module)
    return _judge_other(module, kind, parent)


def _judge_transposed(name: str, module: nn.Module, target: Scheme) -> Decision | None:
    if not meets_border(module):
        return None
    if target.transposed is None:
        reason = "a transposed convolution: near the border fewer inputs contribute, which 'partial' alone makes up for"
        return Decision(LEAVE, reason)
    if find_convolution(original_class(module)) is None:
        return Decision(UNSUPPORTED, "a transposed convolution with a forward of its own")
    _refuse_lazy(name, module)
    _refuse_own_forward(name, module)
    return Decision(CONVERT)


def _judge_convolution(name: str, module: nn.Module, site: Convolution, target: Scheme) -> Decision | None:
    _refuse_lazy(name, module)
    pads = site.padding(module)
    if getattr(module, "pad_mode", "constant") != "constant":
        return Decision(LEAVE, f"its design pads by '{module.pad_mode}'")
    if not pads_anything(pads, _kernel(module)):
        return None
    _refuse_own_forward(name, module)
    return unfit(module, target) or Decision(CONVERT)


def unfit(module: nn.Module, target: Scheme) -> Decision | None:
    """Why a registered convolution cannot have the parameters of a scheme; None if it can, or the scheme has none."""
    if target.start is not None and not hasattr(module, "in_channels"):
        return Decision(UNSUPPORTED, f"'{target.name}' needs a layer that knows its channels")
    site = find_convolution(original_class(module))
    if target.own_weights and not (site and site.own_weight and "weight" in module._parameters):
        return Decision(UNSUPPORTED, f"computes its weights at each call, and '{target.name}' has some of its own")
    return None


def _refuse_lazy(name: str, module: nn.Module) -> None:
    if isinstance(module, LazyModuleMixin):
        raise PaddingError(
            f"layer '{name}' ({type(module).__name__}) has no weights yet; run the model once, then convert"
        )


def _refuse_own_forward(name: str, module: nn.Module) -> None:
    if own := {"forward", "_conv_forward"} & module.__dict__.keys():
        raise PaddingError(
            f"layer '{name}' has a {own.pop()} of its own on the instance, which a change of class cannot reach; "
            "remove what put it there (a hook of another library?), convert, and put it back"
        )


def _kernel(module: nn.Module) -> tuple[int, ...]:
    return getattr(module, "kernel_size", (0,))


def _judge_unknown_convolution(name: str, module: nn.Module) -> Decision | None:
    if _amounts(module):
        raise PaddingError(
            f"layer '{name}' is a {class_path(type(module))}, a padded convolution with a forward of its own; say how "
            "it convolves with padding.register_convolution"
        )
    if max(_kernel(module)) > 1:
        return Decision(UNSUPPORTED, "has a forward of its own, which may pad; see padding.register_convolution")
    return None


def _judge_other(module: nn.Module, kind: type[nn.Module], parent: nn.Module | None) -> Decision | None:
    block = PADDING_BLOCKS.get(class_path(kind))
    if block is not None and block.applies(module):
        return Decision(UNSUPPORTED if block.feeds_convolution else LEAVE, block.reason)
    if isinstance(module, _MAX_POOLS):
        return _left_if(_pool_pads(module), "a max pool pads with -inf, which is never the maximum")
    if isinstance(module, _AVERAGE_POOLS):
        return _left_if(_pool_pads(module), _average_pool_reason(module))
    if isinstance(module, nn.Unfold | nn.Fold):
        return _judge_windows(module, parent)
    if isinstance(module, _FILLING_PADS):
        return _left_if(_amounts(module), "its design fills the border itself")
    if isinstance(module, _CONSTANT_PADS) and module.value != 0:
        return _left_if(_amounts(module), f"its design pads with {module.value}")
    if isinstance(module, torch.fx.GraphModule):
        return _judge_graph(module)
    return _judge_lookalike(module)


def _judge_windows(module: nn.Module, parent: nn.Module | None) -> Decision | None:
    if not _amounts(module):
        return None
    if type(parent).__module__.startswith("timm."):
        return Decision(LEAVE, "cuts windows for an attention; no convolution")
    return Decision(UNSUPPORTED, "cuts windows padded with zeros, which weights turn into a convolution")


def _pool_pads(pool: nn.Module) -> bool:
    """Whether a pool pads. timm's pools with TensorFlow's SAME pad in their forward, and their `padding` is 0."""
    if isinstance(pool, MaxPool2dSame | AvgPool2dSame):
        return max(_kernel(pool)) > 1
    return _amounts(pool)


def _average_pool_reason(pool: nn.Module) -> str:
    if getattr(pool, "divisor_override", None) is not None:
        return "a pool that divides by a number of its own, whatever is inside"
    # timm's SAME pool pads by F.pad, so it counts the zeros even with count_include_pad=False.
    if pool.count_include_pad or isinstance(pool, AvgPool2dSame):
        return "an average pool that counts its padding as zeros: a pool, not a convolution"
    return "an average pool with count_include_pad=False, which is partial padding already"


def _judge_graph(graph: torch.fx.GraphModule) -> Decision | None:
    functions = [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]
    if any(word in function for function in functions for word in ("conv", "pad", "unfold", "im2col")):
        return Decision(UNSUPPORTED, "a traced graph that convolves or pads by functions; convert before tracing")
    return None


def _judge_lookalike(module: nn.Module) -> Decision | None:
    """Reports modules with the weight and kernel size of a convolution, such as deformable and quantised ones."""
    weight = getattr(module, "weight", None)
    # A quantised module has a method `weight` that returns the packed weight.
    is_filter = weight.dim() > 2 if isinstance(weight, torch.Tensor) else callable(weight)
    if not is_filter or not hasattr(module, "kernel_size"):
        return None
    if _amounts(module):
        return Decision(UNSUPPORTED, "looks like a padded convolution; see padding.register_convolution")
    return None


def _left_if(padded: bool, reason: str) -> Decision | None:
    return Decision(LEAVE, reason) if padded else None


def _amounts(module: nn.Module) -> bool:
    """Whether the module's `padding` is anything but zero."""
    padding = getattr(module, "padding", 0)
    if isinstance(padding, str):
        return padding != "valid"
    return any(amount != 0 for amount in padding) if isinstance(padding, tuple | list) else padding != 0
