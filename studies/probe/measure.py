"""The position probe: a linear 3x3 readout, without padding of its own, of five stages of a frozen network.

Islam et al., How much position information do convolutional neural networks encode?, ICLR 2020,
https://arxiv.org/abs/2001.08248. There the readout is trained by descent; here its least squares are solved, which has
no schedule and no seed. Lin et al., 2022, https://arxiv.org/abs/2206.01202, find the probe unreliable.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from timm.layers import LayerNorm2d
from torch import Tensor, nn

from evaluation.rings import RingSums
from records.errors import UserError
from studies.checkpoints.networks import noted, padded_convolutions
from studies.checkpoints.pictures import Pictures
from studies.probe.table import TARGETS

STAGES, SIDE = 5, 28
"""Number of padded convolutions that are read, evenly from first to last; largest side of their resized maps."""

NORMS = (nn.modules.batchnorm._BatchNorm, nn.GroupNorm, LayerNorm2d)
"""Normalisations of maps (N, C, H, W)."""

RIDGE = 1e-6
"""Added to the diagonal, times the diagonal's mean, because maps have channels that are sums of others."""


def goals(side: int) -> Tensor:
    """The TARGETS, from 0 to 1, at the centres of the readout's windows, (3, side - 2, side - 2)."""
    line = torch.linspace(0, 1, side)
    bell = torch.exp(-((line - 0.5) ** 2) / (2 * 0.25**2))
    maps = [line.expand(side, side), line[:, None].expand(side, side), bell[:, None] * bell]
    return torch.stack(maps)[:, 1:-1, 1:-1]


def stages(layers: Sequence[str]) -> list[str]:
    """STAGES of the layers, evenly spaced, from the first to the last."""
    count = min(STAGES, len(layers))
    return [layers[round(number * (len(layers) - 1) / max(1, count - 1))] for number in range(count)]


def measure(network: nn.Module, pictures: Pictures) -> dict[str, list[float | None]]:
    """Fits the readout on every other image, beginning with the first, and tests it on the others.

    Returns:
        For `images`, `black`, `white` and `noise` with each of TARGETS: Spearman's rho (0 if all values are equal) and
        mean absolute error, means over images.

    Raises:
        UserError: there is no image to test on.
    """
    size = pictures.size
    layers = [*padded_convolutions(network, lambda each: each(torch.zeros(1, 3, size, size, device=pictures.device)))]
    layers, side = stages(layers), min(SIDE, size)
    wanted = goals(side)
    gram = moments = None
    tested, first = [], 0
    for images, _ in pictures.squares(size):
        # By the image's number, so that the halves do not depend on the batch size.
        fitted, others = images[first % 2 :: 2], images[1 - first % 2 :: 2]
        first += len(images)
        tested.append(others)
        if len(fitted):
            rows = windows(network, layers, fitted, side).flatten(0, 2)
            right = wanted.permute(1, 2, 0).expand(len(fitted), -1, -1, -1).flatten(0, 2).double()
            new = rows.T @ rows, rows.T @ right
            gram, moments = new if gram is None else (gram + new[0], moments + new[1])
    if first < 2:
        raise UserError("the probe needs two images: one that fits the readout, and one that tests it")
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weights = torch.linalg.solve(gram + ridge, moments)
    shown = {"images": torch.cat(tested)}
    shown |= {name: pictures.colour(name).expand(1, 3, size, size) for name in ("black", "white")}
    shown["noise"] = torch.randn(len(shown["images"]), 3, size, size, generator=torch.Generator().manual_seed(0))
    found = {}
    for name, images in shown.items():
        parts = images.to(pictures.device).split(pictures.batch)
        read = torch.cat([windows(network, layers, part, side) @ weights for part in parts])
        for number, target in enumerate(TARGETS):
            pairs = [scores(each[..., number], wanted[number]) for each in read]
            found[f"{name} {target}"] = [sum(column) / len(pairs) for column in zip(*pairs, strict=True)]
    return found


def rings(network: nn.Module, pictures: Pictures) -> dict[str, list[float | None]]:
    """Measures mean and variance of each normalisation's input by distance to the border, against the inner half.

    Returns:
        For each layer in the order of the calls, one value per ring from the border inwards. With sums over channels,
        shift: sqrt(sum of (mean in the ring - mean inside)^2 / sum of variances inside); variance: sum of variances in
        the ring / sum of variances inside. None if nothing varies inside.
    """
    found: dict[str, RingSums] = {}

    def add(name: str, inputs: tuple, _: Tensor) -> None:
        maps = inputs[0].cpu()
        if maps.dim() == 4 and min(maps.shape[2:]) > 2:
            found.setdefault(name, RingSums.of(maps)).add(maps)

    with noted(network, [name for name, each in network.named_modules() if isinstance(each, NORMS)], add):
        for images, _ in pictures.squares(pictures.size):
            network(images)
    values = {}
    for name, sums in found.items():
        means, variances = sums.moments()
        inner = len(means[0]) // 2
        middle, spread = sums.moments(slice(inner, None))
        spread = spread.sum()
        shift = (means - middle).square().sum(0)
        known = float(spread) > 0
        values[f"shift {name}"] = (shift / spread).sqrt().tolist() if known else [None] * len(shift)
        values[f"variance {name}"] = (variances.sum(0) / spread).tolist() if known else [None] * len(shift)
    return values


def windows(network: nn.Module, layers: list[str], images: Tensor, side: int) -> Tensor:
    """The 3x3 windows of the stacked maps, and a 1 for the bias, double (N, side - 2, side - 2, 9 C + 1)."""
    found: dict[str, Tensor] = {}
    with noted(network, layers, lambda layer, _, output: found.update({layer: output.clone()})):
        network(images)
    maps = [F.interpolate(found[layer], (side, side), mode="bilinear", align_corners=False) for layer in layers]
    rows = F.unfold(torch.cat(maps, 1), 3).transpose(1, 2).unflatten(1, (side - 2, side - 2)).double().cpu()
    return torch.cat([rows, torch.ones_like(rows[..., :1])], -1)


def scores(read: Tensor, wanted: Tensor) -> tuple[float, float]:
    """Spearman's rho and mean absolute error of a map (h, w)."""
    # Rounded to a thousandth of the targets' range: smaller differences are numerical noise, which must not be ranked.
    one, other = (each.double().mul(1e3).round().flatten() for each in (read, wanted))
    # The rank correlation of a constant is not defined.
    rho = float(spearmanr(one, other).statistic) if one.min() != one.max() else 0.0
    return rho, float((read - wanted).abs().mean())
