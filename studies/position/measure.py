"""Accuracy by the position of an object: each image shrunk and pasted on a grid of positions of an empty canvas.

Islam et al., Position, Padding and Predictions, IJCV 2024, https://arxiv.org/abs/2101.12322.
"""

import torch
from torch import Tensor

from studies.checkpoints.pictures import CANVASES, Network, Pictures

SHRUNK = 3
"""Side of the image / side of the object."""


def measure(network: Network, pictures: Pictures, grid: int) -> dict[str, list[float | None]]:
    """Measures top-1 accuracy in percent in each cell of the grid, row by row, for each of CANVASES."""
    size = pictures.size
    side = size // SHRUNK
    places = [round(number * (size - side) / (grid - 1)) for number in range(grid)]
    right = {canvas: torch.zeros(grid * grid) for canvas in CANVASES}
    images = 0
    for objects, targets in pictures.squares(side):
        images += len(objects)
        for canvas in CANVASES:
            ground = pictures.colour(canvas).to(objects).expand(len(objects), -1, size, size)
            for number in range(grid * grid):
                shown = pasted(ground, objects, places[number // grid], places[number % grid])
                right[canvas][number] += int((network(shown).argmax(1) == targets).sum())
    return {canvas: (100 * each / images).tolist() for canvas, each in right.items()}


def pasted(ground: Tensor, objects: Tensor, top: int, left: int) -> Tensor:
    """A copy of `ground` (N, 3, H, W) with `objects` (N, 3, h, w) on it."""
    shown = ground.clone()
    shown[:, :, top : top + objects.shape[2], left : left + objects.shape[3]] = objects
    return shown
