"""Measures what DeepLabV3+ needs at the paper's sizes: memory and seconds of a training step and of an evaluation.

Each row comes from a fresh process that builds the network and runs one step (forward, cross entropy, backward, SGD
with momentum) on a crop, or one full image without gradients, including argmax. On a GPU the row has the device's peak,
too.
"""

import multiprocessing
import resource
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.parts import Row, Setting
from networks import DeepLabV3Plus
from padding import convert_padding
from studies.runs.collect import REFERENCE

CLASSES = 19
GIB = 2**30

Task = Callable[[nn.Module, Tensor], None]


def memory_rows(setting: Setting) -> Iterator[Row]:
    """Yields a row per task and scheme."""
    sizes = {train: (736, 736), evaluate: (1024, 2048)}
    cases = [(task, size, scheme) for task, size in sizes.items() for scheme in ("partial", REFERENCE)]
    for case in [(train, (64, 64), "partial")] if setting.tiny else cases:
        # A fresh process per row, because the peak of a process never falls.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
            yield process.submit(measure, setting, *case).result()


def measure(setting: Setting, task: Task, size: tuple[int, int], scheme: str) -> Row:
    """Builds the network and runs one task in this process; returns the row of its seconds and peak memory."""
    torch.set_num_threads(1)  # as in the other parts; a new process uses all cores
    torch.manual_seed(0)
    encoder = "tiny_resnet10" if setting.tiny else "wide_resnet38"
    network = DeepLabV3Plus(encoder, CLASSES)
    convert_padding(network, scheme)
    network.to(setting.device)
    images = torch.randn(1, 3, *size, device=setting.device)
    # Building the network counts in the peak, but not in the time.
    seconds = setting.stopwatch(lambda: task(network, images))
    # Linux counts KiB, macOS bytes.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    row = {"encoder": encoder, "task": task.__name__, "pixels": "x".join(map(str, size)), "scheme": scheme, "n": 1}
    row |= {"s": round(seconds, 1), "resident peak, GiB": round(peak / GIB, 2)}
    if images.is_cuda:
        row["device peak, GiB"] = round(torch.cuda.max_memory_allocated(images.device) / GIB, 2)
    return row


def train(network: nn.Module, images: Tensor) -> None:
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    targets = torch.randint(CLASSES, (len(images), *images.shape[2:]), device=images.device)
    cross_entropy(network.train()(images), targets, ignore_index=255).backward()
    optimizer.step()


def evaluate(network: nn.Module, images: Tensor) -> None:
    with torch.no_grad():
        network.eval()(images).argmax(1)
