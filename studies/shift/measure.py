"""Consistency of the decision under shifts of the crop, along the diagonal, and under circular shifts of the image.

Zhang, Making Convolutional Networks Shift-Invariant Again, ICML 2019, https://arxiv.org/abs/1904.11486; Kayhan and van
Gemert, CVPR 2020, https://arxiv.org/abs/2003.07064. Images of 224 are cropped from 256 + 32 there; other sizes alike.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from studies.checkpoints.pictures import Network, Pictures

STEPS = 8
"""Number of positions along the diagonal."""


def larger(size: int) -> int:
    """Side of the images that crops of `size` are taken from: 288 for 224."""
    return size + round(size * 64 / 224)


def measure(network: Network, pictures: Pictures, passes: int, seed: int) -> dict[str, list[float | None]]:
    """Measures shares and probabilities, in percent.

    Returns:
        consistency: equal decisions for two crops at random offsets, one value per pass; circular: the same for two
        rolls of the central crop. top1, p: accuracy and mean probability of the right class at each step along the
        diagonal; sd: mean over images of that probability's standard deviation over the steps.
    """
    size, room = pictures.size, larger(pictures.size) - pictures.size
    same, rolled = torch.zeros(passes), torch.zeros(passes)
    right, chance, deviation, images = torch.zeros(STEPS), torch.zeros(STEPS), 0.0, 0
    for large, targets in pictures.squares(size + room):
        offsets, shifts = drawn(range(images, images + len(large)), passes, room, size, seed)
        images += len(large)
        middle = crop(large, room // 2, room // 2, size)
        for number in range(passes):
            same[number] += equal(network, *(crops(large, each, size) for each in offsets[number]))
            rolled[number] += equal(network, *(rolls(middle, each) for each in shifts[number]))
        found = []
        for number in range(STEPS):
            offset = round(number * room / (STEPS - 1))
            logits = network(crop(large, offset, offset, size))
            right[number] += (logits.argmax(1) == targets).sum().cpu()
            found.append(logits.softmax(1).gather(1, targets[:, None])[:, 0])
            chance[number] += found[-1].sum().cpu()
        deviation += float(torch.stack(found).std(0).sum())
    shares = {"consistency": same, "circular": rolled, "top1": right, "p": chance}
    return {name: (100 * each / images).tolist() for name, each in shares.items()} | {"sd": [100 * deviation / images]}


def drawn(numbers: Iterable[int], passes: int, room: int, size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws offsets from 0 to `room`, shifts below `size`, (passes, 2, N, 2) each, of `seed` and the image's number."""
    random = [np.random.default_rng((seed, number)) for number in numbers]
    offsets = np.stack([each.integers(room + 1, size=(passes, 2, 2)) for each in random], 2)
    return offsets, np.stack([each.integers(size, size=(passes, 2, 2)) for each in random], 2)


def crops(images: Tensor, offsets: np.ndarray, size: int) -> Tensor:
    """Crops each image (3, H, W) at its own offset (N, 2)."""
    pairs = zip(images, offsets.tolist(), strict=True)
    return torch.stack([crop(image, *offset, size) for image, offset in pairs])


def rolls(images: Tensor, shifts: np.ndarray) -> Tensor:
    """Rolls each image by its own shift (N, 2)."""
    return torch.stack([image.roll(shift, (1, 2)) for image, shift in zip(images, shifts.tolist(), strict=True)])


def crop(images: Tensor, top: int, left: int, size: int) -> Tensor:
    return images[..., top : top + size, left : left + size]


def equal(network: Network, one: Tensor, other: Tensor) -> int:
    """Number of images with the same decision."""
    return int((network(one).argmax(1) == network(other).argmax(1)).sum())
