"""Maps of a network on a small image, and those of the same network on a larger one cut to where the small one lies."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch import Tensor, nn

from evaluation.context import Context, cut, last_map, local_means, logits_of


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
    context = Context.of(images, margin)

    def keep(layer: str, before: Tensor, after: Tensor) -> LayerMaps:
        sides = [tuple(each.shape[2:]) for each in (small[layer].input, small[layer].output)]
        return LayerMaps(cut(before, sides[0]).clone(), cut(after, sides[1]).clone())

    with recorded(network, list(small), keep) as found, local_means(network, context):
        if not hasattr(network, "forward_head"):
            network(images)
            return found, None
        last = last_map(network, images)
        return found, logits_of(network, cut(last, context.inner(last)))
