"""What `main.py doctor` looks at: each function describes what it found, or raises."""

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
"""Free space below which a disk is named: checkpoints of ResNet50 take 0.2 to 0.4 GB each, seven a run."""

FEW = 8
"""Images of a batch on a CPU, whose speed a larger one does not change."""


def looks(arguments: list[str], seconds: float) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is looked at, by name; `arguments` of `fit` name a configuration, if any.

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
    """Installed packages; one that is missing raises."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)


def devices() -> str:
    """GPUs by name, each having computed something; else the cores."""
    names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    for number in range(len(names)):
        torch.ones(8, device=f"cuda:{number}").sum().item()
    return ", ".join(names) or f"no GPU; {cores()} CPU cores"


def disk(root: Path) -> str:
    """Free space where runs are written. Raises OSError below LEAST_GB, WriteError where nothing can be written."""
    check_writable(root, "choose another --run.root")
    there = next(folder for folder in (root.absolute(), *root.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / 1e9
    if free < LEAST_GB:
        raise OSError(f"{free:.1f} GB free at {there}, less than {LEAST_GB}")
    return f"{free:.0f} GB free at {there}"


def configuration(cli: PointCLI) -> str:
    """Checks settings and data as `fit` does before it writes anything."""
    cli.check()
    images, batches = len(cli.datamodule.train_set()), len(cli.datamodule.train_dataloader())
    return f"as fit checks it: {images} training images, {batches} batches an epoch"


def loader_speed(cli: PointCLI, seconds: float) -> str:
    """Images a second of the training loader; its first batch, for which workers start, is left out."""
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
    """Images a second of forward and backward passes, in single precision, on the first GPU or the CPU."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = cli.build("model", cli.config.fit.model).network.to(device).train()
    image = cli.datamodule.train_set()[0, 0][0]
    count = cli.datamodule.batch_size if device.type == "cuda" else min(FEW, cli.datamodule.batch_size)
    images = image[None].float().div(255).expand(count, *image.shape).contiguous().to(device)

    def step() -> None:
        network(images).mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize()

    step()  # sets up what later ones have
    done, start = 0, time.perf_counter()
    while not done or time.perf_counter() - start < seconds:
        step()
        done += 1
    speed = count * done / (time.perf_counter() - start)
    return f"{speed:.0f} images/s on {device}, batches of {count}; a loader that gives fewer keeps it waiting"
