"""What DeepLabV3+ needs at the paper's sizes: peak memory and seconds of a training step and a full-image evaluation.

    python -m benchmarks.segmentation_memory
    python -m benchmarks.segmentation_memory --padding zero --encoder resnet50 --crop 896
    python -m benchmarks.segmentation_memory --device cuda

Each figure is of a fresh process, from the building of the network to the end: one step (forward, cross entropy,
backward, SGD with momentum) on a crop, and one image of 1024x2048 pixels without gradients, argmax included. On a GPU
the device's own peak comes with it.
"""

import argparse
import resource
import subprocess
import sys

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from networks import DeepLabV3Plus
from padding import available_schemes, convert_padding
from studies.timing.interleaved import Stopwatch

CASES = ("train", "evaluate")
CLASSES = 19
GIB = 2**30


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default="wide_resnet38", help="timm name")
    parser.add_argument("--padding", default="partial", choices=available_schemes())
    parser.add_argument("--crop", type=int, default=736, help="side of the training crop, in pixels")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--case", choices=CASES, help="run this one alone, in this process")
    options = parser.parse_args()
    torch.set_num_threads(2)
    if options.case:
        measure(options)
        return 0
    what = f"{options.encoder}, {options.padding} padding"
    print(f"torch {torch.__version__}, 2 threads, {options.device}; {what}", flush=True)
    # A process each, since the peak of a process never falls.
    command = [sys.executable, "-m", "benchmarks.segmentation_memory", *sys.argv[1:], "--case"]
    return max(abs(subprocess.run([*command, case]).returncode) for case in CASES)


def measure(options: argparse.Namespace) -> None:
    torch.manual_seed(0)
    network = DeepLabV3Plus(options.encoder, CLASSES)
    convert_padding(network, options.padding)
    network.to(options.device)
    step, size = (train, (options.crop, options.crop)) if options.case == "train" else (evaluate, (1024, 2048))
    images = torch.randn(1, 3, *size, device=options.device)
    # Building the network counts for the peak, not for the time.
    seconds = Stopwatch(torch.device(options.device))(lambda: step(network, images))
    # Linux counts KiB, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    what = f"{options.case} {'x'.join(map(str, images.shape))}"
    line = f"{what:>24}  {seconds:7.1f} s  resident peak {peak / GIB:6.2f} GiB"
    if images.is_cuda:
        line += f"  device peak {torch.cuda.max_memory_allocated(images.device) / GIB:6.2f} GiB"
    print(line)


def train(network: nn.Module, images: Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    targets = torch.randint(CLASSES, (len(images), *images.shape[2:]), device=images.device)
    cross_entropy(network.train()(images), targets, ignore_index=255).backward()
    optimizer.step()


def evaluate(network: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        network.eval()(images).argmax(1)


if __name__ == "__main__":
    sys.exit(main())
