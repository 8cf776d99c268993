"""The response to constant input, which shows the effect of padding alone.

Far from the border a constant image gives a constant map. E(d) = mean over channels and over positions at distance d
from the border of (f - f at the centre)^2, divided by the variance of f at the centre over images of white noise.
Schemes that continue a constant give exactly 0.
"""

import torch
from torch import Tensor, nn

from evaluation.border import distance_to_border
from studies.checkpoints.networks import noted
from studies.geometry.record import BLACK, MEAN, NOISE, Response

DEEPEST = 16
"""Number of rings of positions in the record, counted from the border."""

IMAGES = 4
"""Number of white-noise images; few are enough, since the variance is averaged over channels and only scales E."""


def inputs(size: int, mean: tuple[float, ...], std: tuple[float, ...], seed: int) -> Tensor:
    """Makes the normalised inputs (2 + IMAGES, 3, size, size): black, the data's mean, and white noise."""
    black = -torch.tensor(mean) / torch.tensor(std)
    noise = torch.randn(IMAGES, len(mean), size, size, generator=torch.Generator().manual_seed(seed))
    constant = torch.stack([black, torch.zeros_like(black)])[:, :, None, None].expand(-1, -1, size, size)
    return torch.cat([constant, noise])


def responses(network: nn.Module, layers: list[str], images: Tensor) -> list[Response]:
    """The responses of each layer, in order, to each input; `images` are those of `inputs`."""
    found: dict[str, list[Response]] = {}

    def note(layer: str, _: tuple, output: Tensor) -> None:
        found[layer] = of_maps(layer, output)

    with torch.inference_mode(), noted(network, layers, note):
        network(images)
    return [each for layer in layers for each in found.get(layer, [])]


def of_maps(layer: str, maps: Tensor) -> list[Response]:
    """The responses of one layer, from its maps (2 + IMAGES, C, h, w) in the order of `inputs`."""
    maps = maps.double()
    height, width = maps.shape[2:]
    centre = maps[:, :, height // 2, width // 2]
    variance = centre[2:].var(0).mean()
    distance = distance_to_border(height, width).flatten().long()
    found = [
        _response(layer, name, maps[row], centre[row], variance, distance) for row, name in enumerate((BLACK, MEAN))
    ]
    # Means over rings and the interior, because the mean over few images is noisy at each single position.
    rings = _by_ring(maps[2:].mean(0).flatten(1), distance)
    interior = rings[:, rings.shape[1] // 2 :].mean(1, keepdim=True)
    found.append(Response(layer, NOISE, ((rings - interior).square().mean(0) / variance)[:DEEPEST].tolist(), 0.0, 0.0))
    return found


def _response(layer: str, name: str, maps: Tensor, centre: Tensor, variance: Tensor, distance: Tensor) -> Response:
    off = (maps - centre[:, None, None]).square().mean(0, keepdim=True).flatten(1)
    sides = [float((maps - maps.flip(axis)).abs().max() / variance.sqrt()) for axis in (2, 1)]
    return Response(layer, name, (_by_ring(off, distance)[0] / variance)[:DEEPEST].tolist(), *sides)


def _by_ring(values: Tensor, distance: Tensor) -> Tensor:
    """Means of values (C, positions) over the positions at each of D distances from the border, (C, D)."""
    rings = int(distance.max()) + 1
    sums = values.new_zeros(len(values), rings).index_add_(1, distance, values)
    return sums / torch.bincount(distance, minlength=rings)
