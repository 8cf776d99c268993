"""Measures images per CPU second of our samples against ImageFolder with torchvision's transforms.

Both pipelines load the same images in this process, in turns within each round; ours runs a second time as a null pair,
and a ratio means something only if the null pair's spread is well below it. The baseline ends with a normalised float
tensor, ours with uint8, because we normalise on the device; `ours + float` adds that step on this CPU, so that it is
not hidden. `fast` is data.fast=true, with the packages of the extra `fast` if they are installed; `fast, Pillow` is
without them; `cache` is data.cache.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.parts import Row, Setting, ratios, spread
from datamodules.imagenet.datasets import EvalImages, TrainImages, crop_cache
from datamodules.imagenet.layouts import find_split
from datamodules.imagenet.transforms import (
    EvalTransform,
    FastEvalTransform,
    FastTrainTransform,
    RandomResizedCrop,
    TrainTransform,
)
from datamodules.loading.decode import FastDecoder, decode_rgb
from datamodules.loading.index import scan_classes
from datamodules.loading.keyed import permutation
from datamodules.loading.on_device import normalise
from datamodules.loading.path_table import PathTable
from datamodules.loading.resumable import IMAGENET_MEAN, IMAGENET_STD
from datamodules.samples.imagenet import make
from studies.timing.interleaved import Stopwatch, interleaved


def pipelines(
    folder: Path, size: int, resize: int, count: int, cached: Path
) -> dict[str, dict[str, Callable[[], None]]]:
    """Maps "train" and "eval" to functions by name that load `count` images once; builds the cache in `cached`."""
    files = scan_classes(folder)
    chosen = permutation(len(files), "benchmark")[:count]
    end = [transforms.ToTensor(), transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)]
    train_steps = [transforms.RandomResizedCrop(size), transforms.RandomHorizontalFlip(), *end]
    eval_steps = [transforms.Resize(resize), transforms.CenterCrop(size), *end]
    crop, transform = RandomResizedCrop(size), EvalTransform(size, resize)
    cache = crop_cache(cached, PathTable.pack(files.path(i) for i in chosen.tolist()), transform)
    for _ in cache.build(0):
        pass
    decoders = {"ours": decode_rgb, "fast": FastDecoder(), "fast, Pillow": decode_rgb_array}
    train, evaluation = {}, {}
    for name, decode in decoders.items():
        fast = name != "ours"
        one = (FastTrainTransform if fast else TrainTransform)(crop)
        other = FastEvalTransform(size, resize) if fast else transform
        train[name] = TrainImages(files, chosen, one, 0, decode)
        evaluation[name] = EvalImages(files, chosen, files.targets, other, decode)
    evaluation["cache"] = EvalImages(files, chosen, files.targets, transform, cache=cache)
    # Both get the same files, because ImageFolder may number them differently.
    paths = [(files.path(i), int(files.targets[i])) for i in chosen.tolist()]
    return {
        "train": variants(_folder(folder, train_steps, paths), train, [(0, i) for i in range(len(chosen))]),
        "eval": variants(_folder(folder, eval_steps, paths), evaluation, list(range(len(chosen)))),
    }


def _folder(root: Path, steps: list, samples: list) -> ImageFolder:
    folder = ImageFolder(root, transforms.Compose(steps))
    folder.samples = samples
    return folder


def decode_rgb_array(path: str) -> np.ndarray:
    return np.asarray(decode_rgb(path))


def variants(baseline: ImageFolder, ours: dict[str, Dataset], keys: list) -> dict[str, Callable[[], None]]:
    """Maps each way to load to a function that loads all `keys`."""

    def load(dataset: Dataset, keys: list) -> None:
        for key in keys:
            dataset[key]

    def load_float() -> None:
        for key in keys:
            normalise(ours["ours"][key][0], IMAGENET_MEAN, IMAGENET_STD)

    functions = {"baseline": partial(load, baseline, list(range(len(keys))))}
    functions |= {name: partial(load, dataset, keys) for name, dataset in ours.items()}
    return functions | {"ours + float": load_float, "null": functions["ours"]}


def loader_rows(setting: Setting, images: int = 100, rounds: int = 5, size: int = 224, resize: int = 256):
    """Measures images per CPU second in training and evaluation, over the baseline's; `null` is over ours."""
    # One thread, as in a worker of a DataLoader.
    torch.set_num_threads(1)
    folder = find_split(setting.data or make(), "train")
    count = min(images, len(scan_classes(folder)))
    with tempfile.TemporaryDirectory() as cached:
        for name, functions in pipelines(folder, size, resize, images, Path(cached)).items():
            yield from compared(name, functions, count, rounds)


def compared(samples: str, functions: dict[str, Callable[[], None]], count: int, rounds: int) -> Iterator[Row]:
    """Yields a row per function, which loads `count` images: over `baseline`, but `null` over `ours`."""
    stopwatch = Stopwatch(torch.device("cpu"), time.process_time)
    seconds = interleaved(list(functions), functions.__getitem__, rounds, stopwatch, warm_up=1)
    for variant, own in seconds.items():
        against = "ours" if variant == "null" else "baseline"
        row = {"samples": samples, "images": count, "n": rounds, "loader": variant, "against": against}
        row["images a CPU second"] = spread([count / value for value in own])
        yield row | {"times": spread(ratios(seconds[against], own)), "_seconds": own}
