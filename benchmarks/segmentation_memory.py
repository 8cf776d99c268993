"""What DeepLabV3+ needs at the paper's sizes: peak memory and seconds of a training step and a full-image evaluation.

    python benchmarks/segmentation_memory.py
    python benchmarks/segmentation_memory.py --padding zero --encoder resnet50 --crop 896
    python benchmarks/segmentation_memory.py --device cuda

Each figure is of a fresh process, from the building of the network to the end: one step (forward, cross entropy,
backward, SGD with momentum) on a crop, and one image of 1024x2048 pixels without gradients, argmax included. On a GPU
the device's own peak comes with it. The exit status is 1 if either goes over the limit.
"""

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from networks import DeepLabV3Plus
from padding import available_schemes, convert_padding

CASES = ("train", "evaluate")
CLASSES = 19
GIB = 2**30


def main() -> None:
    args = parse_arguments()
    if args.case:
        sys.exit(measure(args))
    print(f"torch {torch.__version__}, {args.threads} threads, {args.device}; {args.encoder}, {args.padding} padding")
    # A process each, since the peak of a process never falls.
    statuses = [subprocess.run([sys.executable, *sys.argv, "--case", case]).returncode for case in CASES]
    sys.exit(max(map(abs, statuses)))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="wide_resnet38", help="timm name")
    parser.add_argument("--padding", default="partial", choices=available_schemes())
    parser.add_argument("--output-stride", type=int, default=8, choices=(8, 16))
    parser.add_argument("--crop", type=int, default=736, help="side of the training crop, in pixels")
    parser.add_argument("--batch", type=int, default=1, help="crops in the training step")
    parser.add_argument("--image", type=int, nargs=2, default=(1024, 2048), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads within an operation")
    parser.add_argument("--limit", type=float, default=20, help="GiB of resident memory")
    parser.add_argument("--case", choices=CASES, help="run this one alone, in this process")
    return parser.parse_args()


def measure(args: argparse.Namespace) -> int:
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    network = DeepLabV3Plus(args.encoder, CLASSES, args.output_stride)
    convert_padding(network, args.padding)
    network.to(args.device)
    size = (args.crop, args.crop) if args.case == "train" else tuple(args.image)
    images = torch.randn(args.batch if args.case == "train" else 1, 3, *size, device=args.device)
    # Building the network counts for the peak, not for the time.
    start = time.perf_counter()
    train(network, images) if args.case == "train" else evaluate(network, images)
    if args.device.startswith("cuda"):
        torch.cuda.synchronize(args.device)
    seconds = time.perf_counter() - start
    return report(f"{args.case} {'x'.join(map(str, images.shape))}", seconds, args)


def train(network: nn.Module, images: Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    targets = torch.randint(CLASSES, (len(images), *images.shape[2:]), device=images.device)
    cross_entropy(network.train()(images), targets, ignore_index=255).backward()
    optimizer.step()


def evaluate(network: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        network.eval()(images).argmax(1)


def report(what: str, seconds: float, args: argparse.Namespace) -> int:
    peak = resident_peak()
    line = f"{what:>24}  {seconds:7.1f} s  resident peak {peak / GIB:6.2f} GiB"
    if args.device.startswith("cuda"):
        line += f"  device peak {torch.cuda.max_memory_allocated(args.device) / GIB:6.2f} GiB"
    over = peak > args.limit * GIB
    print(line + (f"  OVER the limit of {args.limit} GiB" if over else ""), flush=True)
    return int(over)


def resident_peak() -> int:
    """The most bytes that this process has held in memory at once."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts KiB, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024


if __name__ == "__main__":
    main()
