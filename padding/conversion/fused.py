"""Networks whose parallel branches were summed into one convolution (RepVGG and its relatives).

A sum of a 3x3 and a 1x1 convolution is one 3x3 convolution under zero padding. Under partial padding it is not: at the
border the 3x3 branch is re-weighted and the 1x1 branch, which never leaves the input, is not. Branches
must therefore be converted before they are fused. Fusing leaves plain convolutions behind; the table says where
timm puts them. (A convolution fused with its batch norm alone stays exact, and is not listed.)
"""

from collections.abc import Iterator
from typing import NamedTuple

from torch import nn


class _Place(NamedTuple):
    """Where a block of timm keeps what its branches were fused into; unfused there is None, or no bare convolution."""

    paths: tuple[str, ...]
    """Attributes, dotted; a last part `*` means the children of a sequence."""
    flag: str | None = None
    """The attribute by which the block says that it is fused, where the paths alone do not tell."""


_REPARAMETERISED = _Place(("reparam_conv",))
_FOLDED_RESIDUALS = _Place(("dwconv1.conv", "dwconv2.conv"), flag="fused")

_PLACES: dict[str, _Place] = {
    "timm.models.byobnet.RepVggBlock": _REPARAMETERISED,
    "timm.models.byobnet.MobileOneBlock": _REPARAMETERISED,
    "timm.models.fastvit.MobileOneBlock": _REPARAMETERISED,
    "timm.models.fastvit.ReparamLargeKernelConv": _REPARAMETERISED,
    "timm.models.fastvit.RepMixer": _REPARAMETERISED,
    "timm.models.fastvit.RepConditionalPosEnc": _REPARAMETERISED,
    "timm.models.ghostnet.GhostModuleV3": _Place(("primary_conv.*", "cheap_operation.*"), flag="infer_mode"),
    "timm.models.ghostnet.GhostBottleneckV3": _Place(("conv_dw",), flag="infer_mode"),
    "timm.models.repghost.RepGhostModule": _Place(("cheap_operation",)),
    "timm.models.lcnetv2.RepDepthwiseSeparable": _Place(("dw_conv",)),
    "timm.models.repvit.RepViTBlock": _Place(("token_mixer",)),
    "timm.models.iformer.StageBlock": _Place(("blocks.*",)),
    "timm.models.shvit.BasicBlock": _Place(("conv",)),
    "timm.models.shvit.StageBlock": _Place(("downsample.*",)),
    "timm.models.efficientvim.PatchMerging": _FOLDED_RESIDUALS,
    "timm.models.efficientvim.EfficientViMBlock": _FOLDED_RESIDUALS,
}


def class_path(kind: type) -> str:
    """The full name of a class, by which timm's blocks are known here whether or not this timm has them."""
    return f"{kind.__module__}.{kind.__qualname__}"


def fused_convolutions(block: nn.Module) -> Iterator[nn.Module]:
    """The convolutions in `block` that a sum of branches was fused into."""
    place = _PLACES.get(class_path(type(block)))
    if place is None or (place.flag and not getattr(block, place.flag, False)):
        return
    for path in place.paths:
        for child in _at(block, path.split(".")):
            if isinstance(child, nn.Conv2d):
                yield child


def _at(module: nn.Module | None, path: list[str]) -> Iterator[nn.Module]:
    if not path:
        yield module
    elif path[0] == "*":
        yield from module.children() if isinstance(module, nn.Module) else ()
    elif (child := getattr(module, path[0], None)) is not None:
        yield from _at(child, path[1:])
