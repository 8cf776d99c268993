"""What a scheme does to the border of an untrained network, and what it keeps for the backward pass.

    python -m benchmarks.border_effects [--seeds N] [--networks NAME ...]

The first table: root mean square of the outermost ring over that of the middle, behind 8 random 3x3 convolutions and
ReLUs on 32x32 noise. The second: bytes that autograd saves in a training step, counted from its saved tensors, so the
figure does not depend on the machine.
"""

import argparse
import warnings

import timm
import torch
from torch import nn

from benchmarks.parts import kept_bytes
from padding import available_schemes, convert_padding

LAYERS, CHANNELS, SIZE = 8, 32, 32


def ring_over_middle(scheme: str, seed: int) -> float:
    torch.manual_seed(seed)
    model = nn.Sequential()
    for layer in range(LAYERS):
        convolution = nn.Conv2d(CHANNELS if layer else 3, CHANNELS, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight)
        model.extend([convolution, nn.ReLU()])
    convert_padding(model, scheme)
    with torch.no_grad():
        energy = model(torch.randn(2, 3, SIZE, SIZE)).square().mean((0, 1))
    ring = torch.ones(SIZE, SIZE, dtype=torch.bool)
    ring[1:-1, 1:-1] = False
    # A third of the side: behind 8 layers the border has not come that far.
    middle = energy[SIZE // 3 : -(SIZE // 3), SIZE // 3 : -(SIZE // 3)]
    return float((energy[ring].mean() / middle.mean()).sqrt())


def saved_bytes(network: str, scheme: str, batch: int = 2) -> float:
    """Bytes an image that the forward pass of a training step keeps, parameters not counted."""
    model, images = timm.create_model(network), torch.randn(batch, 3, 224, 224)
    convert_padding(model, scheme)
    return kept_bytes(lambda: model(images), model) / batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--networks", nargs="*", default=["resnet50", "vgg16_bn"])
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="no padded convolution")
    for scheme in available_schemes():
        ratios = torch.tensor([ring_over_middle(scheme, seed) for seed in range(options.seeds)])
        low, median, high = ratios.quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
        memory = [f"{name} {saved_bytes(name, scheme) / 2**20:.1f} MiB" for name in options.networks]
        print(f"{scheme}: ring over middle {median:.2f} [{low:.2f}, {high:.2f}]; kept an image: {', '.join(memory)}")


if __name__ == "__main__":
    main()
