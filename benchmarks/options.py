"""What benchmarks of networks share: the options that say how is measured, and how ratios are printed."""

import argparse
import statistics
import time

import torch

from studies.timing.interleaved import Stopwatch


def add_measuring_options(parser: argparse.ArgumentParser) -> None:
    """`--device`, `--threads` and `--clock`."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, mps")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads within an operation")
    parser.add_argument(
        "--clock",
        default="wall",
        choices=("wall", "process"),
        help="process: CPU seconds of this process, steadier on a machine shared with others; for --device cpu only",
    )


def make_stopwatch(args: argparse.Namespace) -> Stopwatch:
    """The stopwatch that these options ask for."""
    clock = time.process_time if args.clock == "process" else time.perf_counter
    return Stopwatch(torch.device(args.device), clock)


def spread(values: list[float]) -> str:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} [{low:.3f}, {high:.3f}]"


def ratios(times: list[float], base: list[float]) -> list[float]:
    """Each round's time over the base's time in the same round."""
    return [own / other for own, other in zip(times, base, strict=True)]
