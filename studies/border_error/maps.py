"""Maps of a network on a small image, and those of the same network on a larger one cut to where the small one lies."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import torch
from torch import Tensor, nn

from evaluation.border import distance_to_border

GATES = ("SqueezeExcite", "SEModule", "EffectiveSEModule", "EcaModule", "CecaModule")
"""Modules that scale channels by a function of the map's mean."""

Sides = tuple[int, int]


def cut(maps: Tensor, sides: Sides) -> Tensor:
    """The centre of `maps` (N, C, H, W): where a small image of `sides` there lies."""
    top, left = ((large - small) // 2 for large, small in zip(maps.shape[2:], sides, strict=True))
    return maps[:, :, top : top + sides[0], left : left + sides[1]]


@dataclass(frozen=True)
class LayerMaps:
    """A layer's input and output (N, C, h, w)."""

    input: Tensor
    output: Tensor


@contextmanager
def recorded(network: nn.Module, layers: Sequence[str], keep: Callable[[str, Tensor, Tensor], LayerMaps]) -> Iterator:
    """A dictionary that a forward within fills with what `keep(layer, input, output)` returns."""
    found: dict[str, LayerMaps] = {}

    def hook(layer: str) -> Callable:
        return lambda _, inputs, output: found.update({layer: keep(layer, inputs[0], output)})

    hooks = [network.get_submodule(layer).register_forward_hook(hook(layer)) for layer in layers]
    try:
        yield found
    finally:
        for each in hooks:
            each.remove()


def small_maps(network: nn.Module, layers: Sequence[str], images: Tensor) -> tuple[dict[str, LayerMaps], Tensor]:
    """The maps of each layer, and the logits."""
    # A copy at once: what follows may work in place.
    with recorded(network, layers, lambda _, before, after: LayerMaps(before, after.clone())) as found:
        logits = network(images)
    return found, logits


def true_maps(
    network: nn.Module, small: dict[str, LayerMaps], images: Tensor, margin: int
) -> tuple[dict[str, LayerMaps], Tensor | None]:
    """The maps of each layer of `small` on larger images, cut; and the logits of the cut last map.

    Args:
        images: (N, 3, H, W), with `margin` pixels on each side around the small ones.
    """
    share = Fraction(images.shape[-1] - 2 * margin, images.shape[-1])

    def keep(layer: str, before: Tensor, after: Tensor) -> LayerMaps:
        sides = [tuple(each.shape[2:]) for each in (small[layer].input, small[layer].output)]
        return LayerMaps(cut(before, sides[0]).clone(), cut(after, sides[1]).clone())

    with recorded(network, list(small), keep) as found, local_gates(network, share):
        if not hasattr(network, "forward_head"):
            network(images)
            return found, None
        last = network.forward_features(images)
        return found, network.forward_head(cut(last, sides_of(last, share)))


def sides_of(maps: Tensor, share: Fraction) -> Sides:
    """Height and width of the small image's part of maps of a larger one."""
    height, width = (round(length * share) for length in maps.shape[2:])
    return height, width


@contextmanager
def local_gates(network: nn.Module, share: Fraction) -> Iterator[None]:
    """Within it, squeeze-and-excite modules take the mean of the cut map, as on the small image.

    Else the larger image would change every channel's scale, at the centre too, and the error would not be padding's.
    """

    def gate(module: nn.Module, inputs: tuple, _: Tensor) -> Tensor:
        centre = cut(inputs[0], sides_of(inputs[0], share)).mean((2, 3), keepdim=True)
        # Of two positions with this mean, one apart, the module returns values that lie its gate apart.
        pair = module.forward(torch.cat([centre + 0.5, centre - 0.5], 3))
        return inputs[0] * (pair[..., :1] - pair[..., 1:])

    hooks = [each.register_forward_hook(gate) for each in network.modules() if type(each).__name__ in GATES]
    try:
        yield
    finally:
        for each in hooks:
            each.remove()


@dataclass(eq=False)
class Sums:
    """Sums over images, channels and positions at each distance, of one layer.

    Attributes:
        distance: of each position to the border (h * w).
        count: images so far.
        total, squares: of the true map, (C, D): their variance is about each channel's mean at that distance.
    """

    distance: Tensor
    count: int
    total: Tensor
    squares: Tensor

    @classmethod
    def of(cls, maps: Tensor) -> "Sums":
        distance = distance_to_border(*maps.shape[2:]).flatten().long()
        empty = torch.zeros(maps.shape[1], int(distance.max()) + 1, dtype=torch.double)
        return cls(distance, 0, empty, empty.clone())

    def add(self, maps: Tensor) -> None:
        self.count += len(maps)
        self.total += self.by_ring(maps.sum(0))
        self.squares += self.by_ring(maps.square().sum(0))

    def by_ring(self, maps: Tensor) -> Tensor:
        """(C, D) sums over the positions at each distance of maps (C, h, w)."""
        return torch.zeros_like(self.total).index_add_(1, self.distance, maps.flatten(1).double())

    def squared_error(self, maps: Tensor, true: Tensor) -> Tensor:
        """(D): sums of (maps - true)^2."""
        # Channels first: a position at a time is a hundredth of the work.
        off = (maps - true).square_().sum((0, 1)).double().flatten()
        return off.new_zeros(self.total.shape[1]).index_add_(0, self.distance, off)

    @property
    def spread(self) -> Tensor:
        """(D): sums of (true - mean)^2."""
        positions = torch.bincount(self.distance) * self.count
        return (self.squares - self.total.square() / positions).sum(0)
