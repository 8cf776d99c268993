"""CPU seconds of one 3x3 convolution under every scheme over those under zero padding: medians of interleaved rounds.

    python benchmarks/schemes.py [--channels 64 --size 56 --batch 4 --rounds 30 --mode train]

`null` is zero padding a second time: what its ratio is away from 1 cannot be told from nothing.
"""

import argparse
import copy
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from padding import available_schemes, convert_padding


def seconds(layer: nn.Module, images: torch.Tensor, trains: bool) -> float:
    """Process time of a call, and of its backward pass in training."""
    start = time.process_time()
    with torch.set_grad_enabled(trains):
        output = layer(images)
        if trains:
            output.backward(output.detach())
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("channels", 64), ("size", 56), ("batch", 4), ("rounds", 30)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--mode", choices=["eval", "train"], default="train")
    options = parser.parse_args()
    torch.set_num_threads(1)
    trains = options.mode == "train"
    images = torch.randn(options.batch, options.channels, options.size, options.size, requires_grad=trains)
    layer = nn.Sequential(nn.Conv2d(options.channels, options.channels, 3, padding=1))
    layers = {"zero": layer, "null": copy.deepcopy(layer)}
    for scheme in [*available_schemes()[1:], "zero,circular"]:
        layers[scheme] = copy.deepcopy(layer).train(trains)
        convert_padding(layers[scheme], scheme)
    rounds = [{name: seconds(each, images, trains) for name, each in layers.items()} for _ in range(options.rounds + 2)]
    print(f"zero: {1000 * torch.tensor([each['zero'] for each in rounds[2:]]).median():.2f} ms")
    for name in layers:
        ratios = torch.tensor([each[name] / each["zero"] for each in rounds[2:]])
        low, median, high = ratios.quantile(torch.tensor([0.25, 0.5, 0.75])).tolist()
        print(f"{name}: {median:.2f} [{low:.2f}, {high:.2f}]")


if __name__ == "__main__":
    main()
