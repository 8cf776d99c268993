"""Even padding: does a layer read as much padding before as after its input?

Alsallakh et al., Mind the Pad: CNNs can develop blind spots, ICLR 2021, https://arxiv.org/abs/2010.02178. If the stride
does not divide the padded length minus the kernel's, the last padded positions are never read, so the kernel sees more
padding on one side, and its weights become asymmetric. Shapes come from torch's meta device, without arithmetic.
"""

import copy
from dataclasses import replace

import torch
from timm.layers.pool2d_same import AvgPool2dSame, MaxPool2dSame
from torch import Tensor, nn

from padding.geometry import dynamic_pads, per_axis
from studies.checkpoints.networks import noted, pads_of
from studies.geometry.record import LayerWindows

POOLS = (nn.MaxPool2d, nn.AvgPool2d)

FARTHEST = 64
"""Range of the search for an even size, in pixels: twice the usual total stride."""


def window(layer: str, axis: str, size: int, kernel: int, stride: int, dilation: int, pads: tuple, outputs: int):
    """The LayerWindows of a layer with `outputs` windows along an axis padded by `pads` (before, after).

    >>> window("conv1", "both", 224, 7, 2, 1, (3, 3), 112).read_after
    2
    """
    before, after = pads
    # One past the last position that a window reads, from the first padded position; ceil_mode reads past `after`.
    end = (outputs - 1) * stride + dilation * (kernel - 1) + 1
    read_after = max(0, end - before - size)
    return LayerWindows(layer, axis, size, kernel, stride, dilation, before, after, min(before, end), read_after)


def windows_of(network: nn.Module, size: int) -> list[LayerWindows]:
    """The windows of every convolution and pool that pads, in the order of the calls, for images of `size` pixels."""
    return _windows(_on_meta(network), size)


def nearest_even(network: nn.Module, size: int) -> list[int | None]:
    """Finds the nearest sizes, at most `size` and at least `size`, at which every layer reads evenly; None if none."""
    network = _on_meta(network)

    def even(side: int) -> bool:
        # A size at which the network does not run, for whatever reason, is none to recommend.
        try:
            found = _windows(network, side)
        except Exception:
            return False
        return all(each.even for each in found)

    below = (side for side in range(size, max(size - FARTHEST, 1), -1) if even(side))
    above = (side for side in range(size, size + FARTHEST) if even(side))
    return [next(below, None), next(above, None)]


def _on_meta(network: nn.Module) -> nn.Module:
    """A copy on the meta device, without the weights' values."""
    memo = {id(each): nn.Parameter(each.to("meta"), requires_grad=False) for each in network.parameters()}
    return copy.deepcopy(network, memo | {id(each): each.to("meta") for each in network.buffers()})


def _windows(network: nn.Module, size: int) -> list[LayerWindows]:
    found: list[LayerWindows] = []
    layers = {name: module for name, module in network.named_modules() if hasattr(module, "kernel_size")}

    def note(name: str, inputs: tuple, output: Tensor) -> None:
        if inputs[0].ndim == 4:
            found.extend(_of_layer(name, layers[name], tuple(inputs[0].shape[2:]), tuple(output.shape[2:])))

    with torch.no_grad(), noted(network, layers, note):
        network(torch.empty(1, 3, size, size, device="meta"))
    return found


def _of_layer(name: str, layer: nn.Module, sizes: tuple[int, ...], outputs: tuple[int, ...]) -> list[LayerWindows]:
    kernel, stride = (per_axis(value, 2, "size") for value in (layer.kernel_size, layer.stride))
    dilation = per_axis(getattr(layer, "dilation", 1), 2, "dilation")
    if isinstance(layer, MaxPool2dSame | AvgPool2dSame):
        pads = dynamic_pads(sizes, kernel, stride, dilation)
    elif isinstance(layer, POOLS):
        pads = tuple((each, each) for each in per_axis(layer.padding, 2, "padding"))
    else:
        pads = pads_of(layer, sizes)
    if pads is None or not any(map(any, pads)):
        return []
    numbers = zip(("rows", "columns"), sizes, kernel, stride, dilation, pads, outputs, strict=True)
    axes = [window(name, *each) for each in numbers]
    one, other = (replace(each, axis="both") for each in axes)
    return [one] if one == other else axes
