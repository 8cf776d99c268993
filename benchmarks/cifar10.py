"""Trains on CIFAR-10 held on the device, without a loader: schemes x seeds, as many runs as time allows.

The network, crop and recipe are those of configs/cifar10/resnet18.yaml, for EPOCHS epochs: crops of 28 of 32 pixels
without the usual padding of the image, flips, SGD, the learning rate divided by ten at a half, three quarters and nine
tenths of the epochs. Runs of one seed begin with the same weights and get the same crops of the same images in the same
order. Accuracy is that of the last epoch on the 10,000 test images, on which nothing is chosen.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from benchmarks.parts import Part, Row, Setting
from datamodules.imagenet.layouts import find_split
from datamodules.loading.decode import decode_rgb
from datamodules.loading.index import scan_classes
from datamodules.loading.on_device import normalise
from lightning_modules.padded_network import to_channels_last
from networks.create import create_network
from padding import convert_padding
from studies.runs.collect import REFERENCE
from studies.stats.intervals import compare

SCHEMES = ("zero", "partial", "reflect", "replicate", "circular")
MEAN, STD = (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)
CROP, BATCH, EVAL_BATCH, EPOCHS = 28, 128, 1000, 16

Images = tuple[Tensor, Tensor]
"""Images (N, 3, H, W) uint8 and their classes (N,) int64, on the device."""


def balanced(schemes: Sequence[str], seeds: int) -> Iterator[tuple[int, str]]:
    """Yields (seed, scheme) in an order whose every prefix has equally many runs of each scheme, up to one.

    Seeds vary slowest; each seed begins with another scheme, so that no scheme always comes last.
    """
    for seed in range(seeds):
        start = seed % len(schemes)
        yield from ((seed, scheme) for scheme in (*schemes[start:], *schemes[:start]))


def read_split(root: Path, split: str, device: torch.device) -> Images:
    """Reads all images of a split from a folder of classes, train/CLASS/* or val/CLASS/*."""
    files = scan_classes(find_split(root, split))
    images = np.stack([np.asarray(decode_rgb(files.path(number))) for number in range(len(files))])
    targets = torch.from_numpy(np.asarray(files.targets, dtype=np.int64))
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device), targets.to(device)


def drawn(count: int, device: torch.device) -> Images:
    """Draws noise whose brightness shows its class, for rehearsals."""
    targets = torch.arange(count, device=device) % 10
    noise = torch.randint(0, 100, (count, 3, 32, 32), device=device)
    return (noise + 15 * targets.view(-1, 1, 1, 1)).to(torch.uint8), targets


def train(scheme: str, seed: int, data: tuple[Images, Images], network: str, epochs: int) -> Row:
    """Trains one network; returns the row with its accuracy."""
    (images, targets), held_out = data
    device, steps = images.device, len(images) // BATCH
    torch.manual_seed(seed)
    model = create_network(network, 10)
    convert_padding(model, scheme)
    to_channels_last(model).to(device).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    milestones = [round(share * epochs) for share in (0.5, 0.75, 0.9)]
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones)
    draw = torch.Generator(device).manual_seed(seed)
    start, losses = time.perf_counter(), torch.zeros((), device=device)
    for _ in range(epochs):
        losses.zero_()
        for chosen in torch.randperm(len(images), generator=draw, device=device)[: steps * BATCH].view(steps, BATCH):
            with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
                loss = cross_entropy(model(crops(images, chosen, draw)), targets[chosen])
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            losses += loss.detach()
        schedule.step()
    row = {"seed": seed, "scheme": scheme, "acc1": round(accuracy(model, held_out), 2)}
    return row | {"train loss": round(float(losses) / steps, 3), "s": round(time.perf_counter() - start, 1)}


def crops(images: Tensor, chosen: Tensor, draw: torch.Generator) -> Tensor:
    """Draws normalised crops (N, 3, CROP, CROP) of `chosen` images, each with its own position and flip."""
    device, spare = images.device, images.shape[-1] - CROP + 1
    corners = torch.randint(spare, (2, len(chosen), 1), generator=draw, device=device)
    rows, columns = corners + torch.arange(CROP, device=device)
    flips = torch.rand(len(chosen), 1, generator=draw, device=device) < 0.5
    columns = torch.where(flips, columns.flip(1), columns)
    picked = images[chosen[:, None, None, None], torch.arange(3, device=device)[:, None, None],
                    rows[:, None, :, None], columns[:, None, None, :]]  # fmt: skip
    return normalise(picked, MEAN, STD).contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def accuracy(model: nn.Module, held_out: Images) -> float:
    """The top-1 accuracy on centre crops, in percent."""
    images, targets = held_out
    model.eval()
    edge = (images.shape[-1] - CROP) // 2
    centre = normalise(images[..., edge : edge + CROP, edge : edge + CROP], MEAN, STD)
    batches = zip(centre.split(EVAL_BATCH), targets.split(EVAL_BATCH), strict=True)
    right = [(model(x).argmax(1) == y).sum() for x, y in batches]
    return 100 * int(sum(right)) / len(targets)


def runs(setting: Setting) -> Iterator[Row]:
    """Trains until the next run might not finish in time, then yields the differences from zero padding."""
    if setting.tiny:
        data = drawn(2 * BATCH, setting.device), drawn(100, setting.device)
        order, network, epochs = list(balanced(SCHEMES[:2], 2)), "tiny_resnet10", 1
    else:
        data = tuple(read_split(setting.data, split, setting.device) for split in ("train", "val"))
        order, network, epochs = list(balanced(SCHEMES, 100)), "cifar_resnet18", EPOCHS
    done: list[Row] = []
    for seed, scheme in order:
        if setting.left < 1.2 * max((row["s"] for row in done), default=0):
            break
        done.append(train(scheme, seed, data, network, epochs))
        yield done[-1]
    yield from summary(done)


def summary(done: Sequence[Row]) -> Iterator[Row]:
    """Yields a row per scheme: mean, standard deviation, and the paired difference from zero padding with interval.

    Every prefix of `balanced` begins with zero padding, so each scheme has a seed in common with it.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for row in done:
        found.setdefault(row["scheme"], []).append((row["seed"], row["acc1"]))
    for scheme, values in found.items():
        scores = [score for _, score in values]
        row = {"scheme": scheme, "n": len(scores), "acc1": f"{statistics.mean(scores):.2f}"}
        if len(scores) > 1:
            row["acc1"] += f" ± {statistics.stdev(scores):.2f}"
        if scheme != REFERENCE:
            both = {seed for seed, _ in values} & {seed for seed, _ in found[REFERENCE]}
            ours, zeros = ([pair for pair in side if pair[0] in both] for side in (values, found[REFERENCE]))
            difference = compare(ours, zeros)
            row["minus zero"] = f"{difference.mean:+.2f}"
            if difference.low is not None:
                row["minus zero"] += f" [{difference.low:+.2f}, {difference.high:+.2f}]"
        yield row


def part(setting: Setting) -> Part:
    found = setting.tiny or (setting.data is not None and setting.data.is_dir())
    missing = "" if found else f"no CIFAR-10 in {setting.data}; get it as docs/data.md says, or name its folder"
    title = f"CIFAR-10 on the device, {EPOCHS} epochs of cifar_resnet18: accuracy in percent"
    return Part("cifar10", title, runs, 1.0, missing)
