"""Measures how strong the border of an untrained network is under each scheme, and the memory of a training step.

The strength is the root mean square of the outermost ring over that of the middle, after 8 random 3x3 convolutions and
ReLUs on 32x32 noise. The memory is the bytes that autograd saves for the backward pass, counted from its saved tensors,
so that it does not depend on the machine.
"""

import contextlib
import warnings
from collections.abc import Iterator

import torch
from torch import nn

from benchmarks.parts import Row, Setting, kept_bytes, spread
from evaluation.border import distance_to_border
from networks.create import create_network
from padding import PaddingError, available_schemes, convert_padding

LAYERS, CHANNELS, SIZE = 8, 32, 32


def ring_over_middle(scheme: str, seed: int) -> float:
    """The root mean square of the outermost ring of an untrained network's output, over that of its middle."""
    torch.manual_seed(seed)
    model = nn.Sequential()
    for layer in range(LAYERS):
        convolution = nn.Conv2d(CHANNELS if layer else 3, CHANNELS, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        model.extend([convolution, nn.ReLU()])
    convert_padding(model, scheme)
    with torch.no_grad():
        energy = model(torch.randn(2, 3, SIZE, SIZE)).square().mean((0, 1))
    # The middle begins at a third of the side, which the border does not reach within 8 layers.
    middle = energy[SIZE // 3 : -(SIZE // 3), SIZE // 3 : -(SIZE // 3)]
    return float((energy[distance_to_border(SIZE, SIZE) == 0].mean() / middle.mean()).sqrt())


def saved_bytes(network: str, scheme: str, batch: int = 2) -> float:
    """The bytes per image, without parameters, that the forward pass of a training step saves."""
    model, images = create_network(network, 1000), torch.randn(batch, 3, 224, 224)
    convert_padding(model, scheme)
    return kept_bytes(lambda: model(images), model) / batch


def border_rows(setting: Setting) -> Iterator[Row]:
    """Yields a row per scheme; the ring has median and quartiles over the seeds."""
    warnings.filterwarnings("ignore", message="no padded convolution")
    seeds = 2 if setting.tiny else 20
    for scheme in available_schemes():
        row = {"scheme": scheme, "n": seeds}
        row["ring over middle"] = spread([ring_over_middle(scheme, seed) for seed in range(seeds)])
        for name in ("tiny_resnet10",) if setting.tiny else ("resnet50", "vgg16_bn"):
            # `earth` refuses maps of odd width, and ResNet50's last map of 224 pixels is 7 wide.
            with contextlib.suppress(PaddingError):
                row[f"{name}, MiB an image"] = round(saved_bytes(name, scheme) / 2**20, 1)
        yield row
