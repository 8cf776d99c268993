"""CPU seconds of one 3x3 convolution under every scheme over those under zero padding: medians of interleaved rounds.

    python -m benchmarks.schemes [--channels 64 --size 56 --batch 4 --rounds 30 --mode train]

`null` is zero padding a second time: what its ratio is away from 1 cannot be told from nothing.
"""

import argparse
import copy
import time
from functools import partial
from statistics import median

import torch
from torch import nn

from benchmarks.parts import ratios, spread
from padding import available_schemes, convert_padding
from studies.timing.interleaved import Stopwatch, interleaved


def call(layer: nn.Module, images: torch.Tensor, trains: bool) -> None:
    """A forward pass, in training with its backward pass."""
    with torch.set_grad_enabled(trains):
        output = layer(images)
        if trains:
            output.backward(output.detach())


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
    steps = {name: partial(call, each, images, trains) for name, each in layers.items()}
    stopwatch = Stopwatch(torch.device("cpu"), time.process_time)
    seconds = interleaved(list(steps), steps.__getitem__, 2 + options.rounds, stopwatch)
    print(f"zero: {1000 * median(seconds['zero'][2:]):.2f} ms")
    for name, times in seconds.items():
        print(f"{name}: {spread(ratios(times[2:], seconds['zero'][2:]))}")


if __name__ == "__main__":
    main()
