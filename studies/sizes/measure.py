"""Accuracy at other image sizes than that of training, with the content's scale kept, or rescaled with the size.

nnU-Net's maintainers report that a network gets used to its share of zeros. Kept: the centre of an image whose shorter
side has the largest size that is tested, so that there is real content at every size. Rescaled: the whole image.
"""

import re
from collections.abc import Callable, Iterable, Sequence

from torch import Tensor

from padding import PaddingError
from records.errors import UserError
from studies.checkpoints.pictures import Network, Pictures

TOO_SMALL = re.compile("too small|greater than actual input|than the corresponding input|wrapping|must match")
"""Words in torch's messages about a map that is smaller than the window of a pool or convolution."""


def measure(network: Network, pictures: Pictures, factors: Sequence[float]) -> dict[str, list[float | None]]:
    """Top-1 accuracy in percent, kept and rescaled, a value per factor; None if the network does not run at a size.

    Raises UserError for a factor that leaves no pixel.
    """
    sides = [round(factor * pictures.size) for factor in factors]
    if not min(sides):
        raise UserError(f"--factors {min(factors):g} leaves no pixel of {pictures.size}")
    largest = max(sides)

    def centre(side: int) -> Callable[[Tensor], Tensor]:
        start = (largest - side) // 2
        return lambda images: images[:, :, start : start + side, start : start + side]

    def accuracy(batches: Iterable[tuple[Tensor, Tensor]], shown: Callable[[Tensor], Tensor]) -> float | None:
        right = images = 0
        for pixels, targets in batches:
            try:
                right += int((network(shown(pixels)).argmax(1) == targets).sum())
            except (PaddingError, RuntimeError) as error:
                # Other errors of torch, such as too little memory, do not mean that the size is too small.
                if isinstance(error, RuntimeError) and not TOO_SMALL.search(str(error)):
                    raise
                return None
            images += len(targets)
        return 100 * right / images

    return {
        "kept": [accuracy(pictures.squares(largest), centre(side)) for side in sides],
        "rescaled": [accuracy(pictures.squares(side), lambda images: images) for side in sides],
    }
