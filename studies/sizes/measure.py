"""Accuracy at other sizes than that of training, the content's scale kept or rescaled with the size.

nnU-Net's maintainers report that a network gets used to its share of zeros. Kept: the centre of an image whose shorter
side has the largest size that is tested, so that there is real content at every size. Rescaled: the whole image.
"""

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from padding import PaddingError
from studies.checkpoints.pictures import Network, Pictures


def measure(network: Network, pictures: Pictures, factors: Sequence[float]) -> dict[str, list[float | None]]:
    """Top-1 accuracy in percent, kept and rescaled, a value a factor; None where the network does not run at a size."""
    sides = [round(factor * pictures.size) for factor in factors]
    largest = max(sides)

    def centre(side: int) -> Callable[[Tensor], Tensor]:
        start = (largest - side) // 2
        return lambda images: images[:, :, start : start + side, start : start + side]

    kept = [accuracy(network, pictures.squares(largest), centre(side)) for side in sides]
    rescaled = [accuracy(network, pictures.squares(side), lambda images: images) for side in sides]
    return {"kept": kept, "rescaled": rescaled}


def accuracy(
    network: Network, batches: Iterable[tuple[Tensor, Tensor]], shown: Callable[[Tensor], Tensor]
) -> float | None:
    """Percent right on `shown(images)`; None where a map is too small for the network's padding."""
    right = images = 0
    try:
        for pixels, targets in batches:
            right += int((network(shown(pixels)).argmax(1) == targets).sum())
            images += len(targets)
    except PaddingError:
        return None
    return 100 * right / images
