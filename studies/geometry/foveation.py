"""The foveation map: the weight of each input position in the last map of a network of averages.

Alsallakh et al., Mind the Pad: CNNs can develop blind spots, ICLR 2021, https://arxiv.org/abs/2010.02178. Every weight
is 1 / (taps x channels), every bias 0, norms and activations are the identity, and pools take averages; then F =
abs(d sum(last map) / d input), summed over channels, takes one backward pass and no data. Gates (squeeze and excite)
and layer scales become the identity, too: with them the network would not be linear.
"""

import copy

import torch
import torch.nn.functional as F
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from evaluation.context import GATES, last_map
from records.errors import UserError
from studies.checkpoints.networks import is_activation
from studies.geometry.record import Foveation

CELLS = 28
"""Cells per side of the recorded map; a cell averages over the pattern that the strides make."""

NOT_LINEAR = (*GATES, "CbamModule", "GlobalContext")
"""Class names of modules that multiply the map by what they compute from it; they become the identity."""


def averages(network: nn.Module) -> nn.Module:
    """Returns a copy of `network` whose layers average: linear, independent of the weights, and of almost no memory."""
    tensors = [*network.parameters(), *network.buffers()]
    # Nothing is copied: every tensor is replaced below, or not read by a linear network.
    variant = copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
    for name, module in list(variant.named_modules()):
        if replaced := _replacement(module):
            parent, _, child = name.rpartition(".")
            setattr(variant.get_submodule(parent), child, replaced)
    for module in variant.modules():
        if isinstance(module, _ConvNd | nn.Linear):
            _fill(module, "weight", 1 / module.weight[0].numel())
            if module.bias is not None:
                _fill(module, "bias", 0.0)
        if isinstance(getattr(module, "gamma", None), nn.Parameter):
            _fill(module, "gamma", 1.0)
    return variant.eval()


def _fill(module: nn.Module, name: str, value: float) -> None:
    # Expanded from one number, so that the copy of a large network takes no memory.
    old = getattr(module, name)
    setattr(module, name, nn.Parameter(old.new_tensor(value).expand(old.shape), requires_grad=False))


def _replacement(module: nn.Module) -> nn.Module | None:
    kind = type(module).__name__
    if isinstance(module, MaxPool2dSame):
        return AvgPool2dSame(module.kernel_size, module.stride)
    if isinstance(module, nn.MaxPool2d):
        return nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
    if "Norm" in kind or kind in NOT_LINEAR or is_activation(module):
        return nn.Identity()
    return None


def check_linear(network: nn.Module, images: Tensor) -> None:
    """Raises UserError unless the network of averages is linear: attention and products of maps are not."""
    other = images.flip(-1)
    with torch.no_grad():
        apart, together = last_map(network, images) + last_map(network, other), last_map(network, images + other)
    if not torch.allclose(together, apart, rtol=1e-3, atol=1e-3 * float(apart.abs().max())):
        raise UserError("it is not linear even where every layer averages (attention?): it has no foveation map")


def foveation(network: nn.Module, images: Tensor) -> Foveation:
    """Computes the foveation map of a network of averages under its scheme.

    Args:
        images: (1, C, H, W), the point of the derivative, which matters for schemes that are not linear in the map.
    """
    images = images.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(last_map(network, images).sum(), images)
    return summary(gradient[0].abs().sum(0))


def summary(weight: Tensor) -> Foveation:
    """Summarises a map (H, W) of weights."""
    cells = F.adaptive_avg_pool2d(weight[None].double(), CELLS)[0]
    middle = slice(CELLS // 2 - 1, CELLS - CELLS // 2 + 1)
    centre = cells[middle, middle].mean()
    corner = cells[[0, 0, -1, -1], [0, -1, 0, -1]].mean() / centre
    border = torch.cat([cells[0], cells[-1], cells[1:-1, 0], cells[1:-1, -1]]).mean() / centre
    # Of cells, not of pixels: the pattern that the strides make is itself off centre by a pixel.
    sides = [float((cells - cells.flip(axis)).abs().sum() / (2 * cells.sum())) for axis in (1, 0)]
    return Foveation((cells / centre).float().numpy(), *sides, float(corner), float(border))
