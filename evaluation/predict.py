"""Predicts the scores of one image, as a whole or in tiles: the columns of Table 6 of the paper.

Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. The caller turns off gradients and training mode.
"""

from collections.abc import Callable
from fractions import Fraction

import torch

from evaluation.errors import EvaluationError
from evaluation.tiles import Box, coverage, tile_boxes

Network = Callable[[torch.Tensor], torch.Tensor]
"""Maps normalised images (N, 3, H, W) to logits (N, C, H, W)."""

AVERAGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "logits": lambda logits: logits,
    "probabilities": lambda logits: logits.softmax(dim=0),
}
"""Functions of one tile's logits (C, h, w) whose values are averaged where tiles overlap."""


def predict_whole(network: Network, image: torch.Tensor, margin: int = 0) -> torch.Tensor:
    """Predicts logits (C, H, W) of the whole image at once ("regular" in Table 6).

    Args:
        network: network from (1, 3, H, W) to logits (1, C, H, W).
        image: normalised image, (3, H, W) or (1, 3, H, W).
        margin: pixels of context on each side, without which the network returns its logits; so does this function.

    Returns:
        float32, or float64 if the network computes in it.

    Raises:
        EvaluationError: the image or the network's output has another shape.

    >>> predict_whole(torch.nn.Conv2d(3, 19, 1), torch.zeros(3, 4, 8)).shape
    torch.Size([19, 4, 8])
    """
    return _logits(network, _one_image(image), margin)


def predict_tiled(
    network: Network,
    image: torch.Tensor,
    size: int,
    overlap: float | Fraction,
    average: str = "logits",
    margin: int = 0,
) -> torch.Tensor:
    """Predicts the scores of an image in square tiles; overlapping tiles are averaged equally ("tile" in Table 6).

    The network gets one tile after another; besides the current tile, memory holds one image's scores.

    Args:
        network, image: as in `predict_whole`, and so is the result.
        size: side of a tile in pixels.
        overlap: share of a tile that the next one repeats, in [0, 1).
        average: "logits", or "probabilities" for the softmax of each tile.
        margin: pixels of context on each side of the image, and so of each tile.

    Raises:
        EvaluationError: a setting is out of range, or the image or the network's output has another shape.

    >>> predict_tiled(torch.nn.Conv2d(3, 19, 1), torch.zeros(3, 4, 8), size=4, overlap=1 / 2).shape
    torch.Size([19, 4, 8])
    """
    if average not in AVERAGES:
        raise EvaluationError(f"average is {average!r}; it must be one of {', '.join(AVERAGES)}")
    image = _one_image(image)
    height, width = (length - 2 * margin for length in image.shape[-2:])
    boxes = tile_boxes(height, width, size, overlap)
    # A single tile needs no copy, and equals `predict_whole` bit for bit.
    if len(boxes) == 1:
        return AVERAGES[average](_logits(network, image, margin))
    total = None
    for box in boxes:
        around = Box(box.top, box.left, box.bottom + 2 * margin, box.right + 2 * margin)
        scores = AVERAGES[average](_logits(network, image[..., *around.slices], margin))
        if total is None:
            total = scores.new_zeros((len(scores), height, width))
        total[:, *box.slices] += scores
        # Without this the scores stay in memory while the network computes the next tile.
        del scores
    return total.div_(coverage(height, width, boxes).to(total.device))


def _one_image(image: torch.Tensor) -> torch.Tensor:
    if image.dim() == 3:
        image = image[None]
    if image.dim() != 4 or len(image) != 1:
        raise EvaluationError(
            f"one image at a time, (3, H, W) or (1, 3, H, W); this one has shape {tuple(image.shape)}"
        )
    return image


def _logits(network: Network, image: torch.Tensor, margin: int) -> torch.Tensor:
    logits = network(image)
    size = tuple(length - 2 * margin for length in image.shape[-2:])
    if logits.dim() != 4 or len(logits) != 1 or logits.shape[-2:] != size:
        raise EvaluationError(
            f"the network gave {tuple(logits.shape)} for an image of {tuple(image.shape)}; "
            "it must return logits (1, C, H, W) at the image's size"
        )
    # In half precision, sums of logits would round away differences that decide the class.
    return logits[0].to(torch.promote_types(logits.dtype, torch.float32))
