"""`main.py activations RUNS_FOLDER`: activation maps of the padding schemes side by side, any layer, any images."""

from collections.abc import Sequence
from pathlib import Path

from jsonargparse.typing import PositiveInt
from rich.console import Console

from records.atomic import check_writable
from records.errors import UserError, message_for_users
from studies.checkpoints.options import Weights
from studies.runs.collect import FIRST_SCHEMES, Collection, Run
from studies.runs.command import Runs, say
from studies.stats.sample import evenly

Image = tuple[Path, str]
"""An image file, and its label in the figure."""


def main(
    runs: Runs,
    weights: Weights,
    *,
    network: str | None = None,
    schemes: list[str] | None = None,
    seed: int | None = None,
    layers: list[str] | None = None,
    list: bool = False,
    images: list[Path] | None = None,
    count: PositiveInt = 4,
) -> int:
    """Draws Figure 5 of the paper: activations summed over channels, one run per padding scheme, for the same images.

    Their strength at the border is the mean over the outermost ring of positions / the mean over the interior.
    The maps are saved in RUN/evaluations/, where `report` finds them; a new call replaces those of the same run.

    Writes figure5.csv and .md (every image), figure5_ratio.csv and .md (means over the images), and figure5.png.

    Args:
        network: network whose runs are shown; default: the first in the folder
        schemes: padding schemes to show; default: zero and partial, or the first two that there are
        seed: seed of the runs; default: the lowest that every scheme has
        layers: module paths such as features.22; default: the last activation function at the last three resolutions
        list: only list the layers that have maps
        images: image files; default: some of the images that results are reported on
        count: number of images without --images
    """
    collection = runs.collect()
    network = network or collection.networks[0]
    if network not in collection.networks:
        raise UserError(f"--network {network}: there are {', '.join(collection.networks)}")
    chosen = choose_runs(collection, network, schemes, seed)
    # Imported late: --help need not wait for torch.
    from studies.activations.measure import default_layers, layers_with_maps, record_of
    from studies.activations.table import study
    from studies.checkpoints.load import Trained, load
    from studies.checkpoints.missing import choose_device, evaluate_missing
    from studies.page.terminal import run_studies

    device = choose_device(weights.device)
    shown = [(path, path.name) for path in images or ()]

    def ready(run: Run) -> Trained:
        return load(run.folder, weights.checkpoint, None, weights.data_root, device=device)

    def show(run: Run, scheme: str) -> str:
        nonlocal shown, layers
        trained = ready(run)
        # The first run that loads decides for all: only maps of equal images and layers stand side by side.
        shown = shown or choose_images(trained, count)
        check_writable(run.folder.evaluations, "its maps could not be kept")
        layers = layers or default_layers(layers_with_maps(trained, shown[0][0]))
        record = record_of(trained, shown, layers)
        record.write(run.folder.evaluations / record.file_name)
        return f"{', '.join(layers)} of {len(shown)} images"

    if list:
        trained = ready(chosen[0])
        return list_layers(Console(), trained, (shown or choose_images(trained, 1))[0][0])
    runs.output_folder()  # raises before the networks are loaded
    failed = evaluate_missing([(run, run.record.padding) for run in chosen], show)
    if len(failed) == len(chosen):
        raise UserError("\n".join(map(str, failed)))
    return run_studies(runs, [study], "no maps were made", failed)


def choose_runs(collection: Collection, network: str, schemes: Sequence[str] | None, seed: int | None) -> list[Run]:
    """Returns one run per scheme, all of one seed if all have one in common. Raises UserError if a run is missing."""
    groups = {group.padding: group.runs for group in collection.of(network)}
    if schemes is None:
        schemes = FIRST_SCHEMES if groups.keys() >= set(FIRST_SCHEMES) else [*groups][:2]
    if absent := [scheme for scheme in schemes if scheme not in groups]:
        raise UserError(f"{network} has no finished run with {absent[0]} padding; there are {', '.join(groups)}")
    # Reversed, so that the first of several runs of one seed is taken.
    by_seed = {scheme: {run.record.seed: run for run in reversed(groups[scheme])} for scheme in schemes}
    common = set.intersection(*map(set, by_seed.values()))
    if seed is not None and seed not in common:
        raise UserError(f"--seed {seed}: not every scheme of {network} has it; all have {sorted(common) or 'none'}")
    seed = min(common, default=None) if seed is None else seed
    return [runs.get(seed, groups[scheme][0]) for scheme, runs in by_seed.items()]


def choose_images(trained, count: int) -> list[Image]:
    """`count` of the images that results are reported on, evenly spaced. Raises UserError if they cannot be found."""
    from lightning_modules import SegmentationModule

    data = trained.data
    try:
        if isinstance(trained.module, SegmentationModule):
            found = [(data.root / scene.image, Path(scene.image).name) for scene in data.val_scenes]
        else:
            folder, files, targets = data.eval_files()
            found = [(folder / file, data.class_names[target]) for file, target in zip(files, targets, strict=True)]
    except Exception as error:
        reason = message_for_users(error)
        raise UserError(f"{trained.folder.path}: {reason} (--data-root or --images names others)") from None
    return evenly(found, count)


def list_layers(console: Console, trained, image: Path) -> int:
    """Prints the layers that have maps; returns the exit status."""
    from studies.activations.measure import default_layers, layers_with_maps

    available = layers_with_maps(trained, image)
    default = default_layers(available)
    say(console, f"layers of {trained.record.network} with maps (channels x height x width); * is shown by default")
    for name, (layer, (channels, height, width)) in available.items():
        mark = "*" if name in default else " "
        say(console, f"{mark} {name:32} {type(layer).__name__:24} {channels} x {height} x {width}")
    return 0
