"""Draws the images of the red-green test, and trains and tests its network under a scheme.

Kayhan and van Gemert, On Translation Invariance in CNNs, CVPR 2020, section 3.2, https://arxiv.org/abs/2003.07064.
Two squares of 4 pixels on black, 32 x 32: class 0 is red left of green, class 1 green left of red.
"""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from padding import convert_padding
from studies.location.record import FULL, VALID

BATCH, TESTED, WIDTH = 50, 500, 16
"""Images per step; images per test; channels of the first layers. The paper has 32, and 50 epochs of 2000 images."""

LEARNING_RATE = 3e-3

SIDE, SQUARE = 32, 4

ROWS = (7, 23)
"""Middle of the rows at which squares begin, in the upper and in the lower half; the rows lie within SPREAD of it."""

SPREAD = 4


def draw(count: int, swapped: bool, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws images (count, 3, 32, 32), float32 of zeros and ones, and their classes (count,), which alternate.

    Args:
        swapped: True for class 0 in the lower half and class 1 in the upper, unlike in training.
    """
    images, classes = np.zeros((count, 3, SIDE, SIDE), np.float32), np.arange(count) % 2
    for image, kind in zip(images, classes, strict=True):
        first = random.integers(0, (SIDE - SQUARE) // 2 - SQUARE)
        second = random.integers(first + SQUARE + 1, SIDE - SQUARE)
        for channel, column in ((kind, first), (1 - kind, second)):
            row = ROWS[kind ^ swapped] + random.integers(-SPREAD, SPREAD)
            image[channel, row : row + SQUARE, column : column + SQUARE] = 1
    return images, classes


class Location(nn.Module):
    """Four 3x3 convolutions without bias, the last three of stride 2, ReLU; global max pool; a linear layer.

    Args:
        padding: padding of every convolution, in positions.
    """

    def __init__(self, padding: int = 1):
        super().__init__()
        widths = (3, WIDTH, WIDTH, 2 * WIDTH, 2 * WIDTH)
        self.layers = nn.ModuleList(
            nn.Conv2d(before, after, 3, 1 if number == 0 else 2, padding, bias=False)
            for number, (before, after) in enumerate(pairwise(widths))
        )
        self.fc = nn.Linear(widths[-1], 2)

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, 2) of images (N, 3, H, W)."""
        for layer in self.layers:
            images = F.relu(layer(images))
        return self.fc(images.amax((2, 3)))


def make(scheme: str) -> Location:
    """Makes the network under a scheme, VALID or FULL. Raises PaddingError if the scheme cannot be applied."""
    network = Location({VALID: 0, FULL: 2}.get(scheme, 1))
    if scheme not in (VALID, FULL):
        convert_padding(network, scheme)
    return network


def accuracies(scheme: str, seed: int, images: int, epochs: int) -> list[float]:
    """Trains a network; returns its accuracies in percent with the halves as in training, and swapped.

    Every scheme has the same initial weights, images and order for one seed.
    """
    random = np.random.default_rng(seed)
    pixels, classes = map(torch.from_numpy, draw(images, False, random))
    # channels_last is a third faster; for the images only, since a scheme's own weights may have other axes.
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    tests = [[*map(torch.from_numpy, draw(TESTED, swapped, random))] for swapped in (False, True)]
    # Schemes that draw random numbers in training use torch's global generator.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = make(scheme)
        optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE)
        for _ in range(epochs):
            for batch in torch.from_numpy(random.permutation(images)).split(BATCH):
                optimiser.zero_grad()
                F.cross_entropy(network(pixels[batch]), classes[batch]).backward()
                optimiser.step()
    network.eval()
    with torch.inference_mode():
        return [100 * int((network(pixels).argmax(1) == classes).sum()) / TESTED for pixels, classes in tests]
