"""Loads the two networks and the images of Figures 6 to 8."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from rich.console import Console

from datamodules.cityscapes.datasets import EvalScenes, SceneFiles
from datamodules.loading.on_device import normalise
from records import best
from records.errors import UserError
from studies.checkpoints.load import Trained, load
from studies.checkpoints.missing import choose_device
from studies.page.terminal import show_written
from studies.runs.collect import PARTIAL, REFERENCE, Collection, Run
from studies.runs.command import say
from studies.segmentation.pictures import NetworkPair, PicturedScene, make
from studies.stats.sample import evenly


def make_pictures(
    collection: Collection,
    output: Path,
    data_root: Path | None,
    pictures: int,
    network: str | None,
    tile_size: int | None,
) -> None:
    """Writes Figures 6 to 8 into `output`, as the options of `main.py segmentation` say.

    Raises UserError if there is no pair of runs, or a network or its images cannot be loaded.
    """
    console, device = Console(), choose_device(None)
    runs = closest(collection, network)
    trained = [load(run.folder, data_root=data_root, device=device).find_images() for run in runs]
    for each in trained:
        say(console, f"Figures 6 to 8: {each.record.name}, {each.checkpoint.name} of epoch {each.epoch + 1}")
    images = len(trained[0].data.val_scenes)
    scenes = [read_scene(trained[0], number, device) for number in evenly(range(images), pictures)]
    with console.status("predicting"):
        files = make(comparison(collection, runs, trained, tile_size), scenes, output, images)
    show_written(console, *files)


def closest(collection: Collection, network: str | None) -> tuple[Run, Run]:
    """Finds the pair of runs, one with zero and one with partial padding, whose best mIoU are closest.

    The paper, too, shows two models "with different padding schemes but similar mIOU" (section 4.2.1). If `network` is
    None, it is the first that has both schemes. Raises UserError if there is no such pair.
    """
    groups = {(group.network, group.padding): group.runs for group in collection.groups}
    both = [name for name in collection.networks if (name, REFERENCE) in groups and (name, PARTIAL) in groups]
    if not both or (network is not None and network not in both):
        there = f"networks with both: {', '.join(both)}" if both else "no network has both"
        wanted = "" if network is None else f" of {network}"
        raise UserError(f"--pictures needs finished runs{wanted} with {REFERENCE} and with {PARTIAL} padding; {there}")
    name = network or both[0]
    pairs = product(groups[name, REFERENCE], groups[name, PARTIAL])
    return min(pairs, key=lambda pair: abs(_best(collection, pair[0]) - _best(collection, pair[1])))


def comparison(
    collection: Collection, runs: tuple[Run, Run], trained: list[Trained], tile_size: int | None
) -> NetworkPair:
    """Makes the pair of networks; both predict with the settings of the first one's configuration."""
    settings, data = trained[0].module.evaluation, trained[0].data
    shown = [
        f"{run.record.padding} seed {run.record.seed} ({_best(collection, run):.2f} %, epoch {each.epoch + 1})"
        for run, each in zip(runs, trained, strict=True)
    ]
    return NetworkPair(
        networks={f"{run.record.padding} padding": each.module for run, each in zip(runs, trained, strict=True)},
        words=f"{runs[0].record.compared_as}, best checkpoints of {' and '.join(shown)}: of all pairs of runs the one "
        "with the closest best mIoU.",
        settings=replace(settings, tile_size=tile_size or settings.tile_size),
        class_names=data.class_names,
        class_colours=data.class_colours,
    )


def read_scene(trained: Trained, number: int, device: str) -> PicturedScene:
    """Reads one of the images that a network is tested on."""
    data = trained.data
    pixels, target = EvalScenes(SceneFiles(data.root, data.val_scenes))[number]
    image = normalise(pixels[None].to(device), data.mean, data.std)[0]
    name = Path(data.val_scenes[number].image).name.removesuffix("_leftImg8bit.png")
    return PicturedScene(name, np.ascontiguousarray(pixels.permute(1, 2, 0).numpy()), image, target)


def _best(collection: Collection, run: Run) -> float:
    return best(run.rows, collection.metric)
