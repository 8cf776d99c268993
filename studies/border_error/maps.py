"""Maps of a network on a small image, and on a larger image around it, the latter cropped to the small one's place."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from evaluation.context import Context, cut, last_map, local_means, logits_of
from studies.checkpoints.networks import noted


@dataclass(frozen=True)
class LayerMaps:
    """A layer's input and output (N, C, h, w)."""

    input: Tensor
    output: Tensor


def small_maps(network: nn.Module, layers: Sequence[str], images: Tensor) -> tuple[dict[str, LayerMaps], Tensor]:
    """Returns the maps of each layer, and the logits."""
    found: dict[str, LayerMaps] = {}

    def keep(layer: str, before: tuple, after: Tensor) -> None:
        # Cloned at once: a following in-place operation (ReLU) would change it.
        found[layer] = LayerMaps(before[0], after.clone())

    with noted(network, layers, keep):
        logits = network(images)
    return found, logits


def true_maps(
    network: nn.Module, small: dict[str, LayerMaps], images: Tensor, margin: int
) -> tuple[dict[str, LayerMaps], Tensor | None]:
    """Returns each layer's maps on larger images, cropped to the sizes in `small`, and the logits of the last one.

    The larger images (N, 3, H, W) have `margin` pixels on each side around the small ones. The logits are None if the
    network has no `forward_head` to compute them from a cropped map.
    """
    found: dict[str, LayerMaps] = {}
    context = Context.of(images, margin)

    def keep(layer: str, before: tuple, after: Tensor) -> None:
        pairs = ((before[0], small[layer].input), (after, small[layer].output))
        found[layer] = LayerMaps(*(cut(large, tuple(each.shape[2:])).clone() for large, each in pairs))

    # local_means, since a global pool or gate over the larger image would change every channel, at the centre, too.
    with noted(network, small, keep), local_means(network, context):
        if not hasattr(network, "forward_head"):
            network(images)
            return found, None
        last = last_map(network, images)
        return found, logits_of(network, cut(last, context.inner(last)))
