"""The checks of `main.py doctor`: each function returns a description of what it found, or raises."""

import importlib.metadata
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from cli.doctor.all_reduce import all_reduce
from cli.sweep.resolver import PointCLI
from processes.cores import cores
from records.atomic import check_writable

PACKAGES = ("torch", "torchvision", "timm", "pytorch-lightning", "torchmetrics", "wandb")
LEAST_GB = 5
"""Gigabytes of free space below which `disk` fails: a run of ResNet50 keeps seven checkpoints of 0.2 to 0.4 GB."""

FEW = 8
"""Largest batch for the measurement on a CPU, where larger ones do not change the speed."""


def looks(arguments: list[str], seconds: float) -> Iterator[tuple[str, Callable[[], str]]]:
    """Yields the checks with their names; `arguments` are those of `fit`, and [] leaves out what needs a configuration.

    Raises:
        UserError: if the arguments are invalid.
    """
    cli = PointCLI(["fit", *arguments]) if arguments else None
    root = Path(cli.config.fit.run.root if cli else "runs").expanduser()
    yield "versions", versions
    yield "devices", devices
    yield "all-reduce", all_reduce
    yield "disk", lambda: disk(root)
    if cli:
        yield "configuration", lambda: configuration(cli)
        yield "loader", lambda: loader_speed(cli, seconds)
        yield "network", lambda: network_speed(cli, seconds)


def versions() -> str:
    """Versions of the packages; raises PackageNotFoundError if one is missing."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)


def devices() -> str:
    """Names of the GPUs, after a small computation on each; without GPUs the number of cores."""
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    for number in range(len(names)):
        torch.ones(8, device=f"cuda:{number}").sum().item()
    return ", ".join(names) or f"no GPU; {cores()} CPU cores"


def disk(root: Path) -> str:
    """Free space of the disk of runs. Raises OSError below LEAST_GB, UserError if nothing can be written."""
    check_writable(root, "choose another --run.root")
    # The folder of runs need not exist yet.
    there = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / 1e9
    if free < LEAST_GB:
        raise OSError(f"{free:.1f} GB free at {there}, less than {LEAST_GB}")
    return f"{free:.0f} GB free at {there}"


def configuration(cli: PointCLI) -> str:
    """Checks settings and data as `fit` does before it writes anything; returns the numbers of images and batches."""
    cli.check()
    images, batches = len(cli.datamodule.train_set()), len(cli.datamodule.train_dataloader())
    return f"as fit checks it: {images} training images, {batches} batches an epoch"


def loader_speed(cli: PointCLI, seconds: float) -> str:
    """Images per second of the training loader, without the first batch, which includes the start of the workers."""
    data = cli.datamodule
    batches = iter(data.train_dataloader())
    next(batches)
    counts, start = [], time.perf_counter()
    for images, *_ in batches:
        counts.append(len(images))
        if time.perf_counter() - start > seconds:
            break
    speed = sum(counts) / (time.perf_counter() - start)
    return f"{speed:.0f} images/s, {data.num_workers} workers" if counts else "one batch an epoch: too few to measure"


def network_speed(cli: PointCLI, seconds: float) -> str:
    """Images per second of forward and backward passes in float32, on the first GPU or the CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = cli.build("model", cli.config.fit.model).network.to(device).train()
    image = cli.datamodule.train_set()[0, 0][0]
    count = cli.datamodule.batch_size if device.type == "cuda" else min(FEW, cli.datamodule.batch_size)
    images = image[None].float().div(255).expand(count, *image.shape).contiguous().to(device)

    def step() -> None:
        network(images).mean().backward()
        # Kernels run asynchronously: without this only their launches would be timed.
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()  # not measured: the first step also does the one-time set-up
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < seconds:
        step()
        done += 1
    speed = count * done / (time.perf_counter() - start)
    return f"{speed:.0f} images/s on {device}, batches of {count}; a loader that gives fewer keeps it waiting"
