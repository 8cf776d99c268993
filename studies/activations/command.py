"""`main.py activations RUNS_FOLDER`: activation maps of the padding schemes side by side, any layer, any images."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from cli.sweep.command import positive
from records.errors import UserError, message_for_users
from studies.checkpoints.missing import choose_device, quiet_lightning
from studies.runs.command import collect_runs, make_parser, run_studies, say

DESCRIPTION = """\
Figure 5 of the paper: activations summed over channels, of one run of each padding scheme, for the same images, with
how strong they are at the border: the mean over the outermost ring of positions over the mean of the interior."""

EPILOG = """\
Keeps the maps in RUN/evaluations/, where `report` finds them; a new call replaces those of the same run. Writes
figure5.csv and .md (every image), figure5_ratio.csv and .md (means over the images), and figure5.png."""


def main(arguments: list[str]) -> int:
    """Makes, prints and writes the maps; returns the exit status. Raises UserError for bad input."""
    options = make_options().parse_args(arguments)
    collection = collect_runs(options)
    # Imported late: --help need not wait for torch.
    from studies.activations.table import study
    from studies.checkpoints.load import load_network

    network = choose_network(collection, options.network)
    runs = choose_runs(collection, network, options)
    device, console = choose_device(options.device), Console()
    with quiet_lightning():
        first = load_network(runs[0].folder, options.checkpoint, None, options.data_root, device=device)
        images = choose_images(collection, network, first, options)
        if options.list:
            return list_layers(console, first, images[0][0])
        return make_maps(collection, runs, images, options, device, console, study)


def make_options() -> argparse.ArgumentParser:
    parser = make_parser("activations", DESCRIPTION, EPILOG)
    parser.add_argument("--network", metavar="NAME", help="whose runs to show; default: the first of the folder")
    parser.add_argument(
        "--schemes", nargs="+", metavar="SCHEME", help="default: zero and partial, or the first two that there are"
    )
    parser.add_argument("--seed", type=int, help="of the runs; default: the lowest that every scheme has")
    parser.add_argument(
        "--layers",
        nargs="+",
        metavar="PATH",
        help="module paths such as features.22; default: the last activation function at the last three resolutions",
    )
    parser.add_argument("--list", action="store_true", help="list the layers that have maps, and make none")
    parser.add_argument(
        "--images",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="default: the first images of Figure 4, where `disagreements` was run, else of the reported ones",
    )
    parser.add_argument("--count", type=positive, default=4, metavar="N", help="images without --images; default: 4")
    parser.add_argument("--checkpoint", default="best", metavar="NAME", help="best (default), last, or a file's name")
    parser.add_argument("--data-root", type=Path, metavar="DIR", help="folder of the images where they have moved to")
    parser.add_argument("--device", metavar="NAME", help="such as cpu or cuda:1; default: a GPU if there is one")
    return parser


def choose_network(collection, name: str | None) -> str:
    if name is None:
        return collection.networks[0]
    if name not in collection.networks:
        raise UserError(f"--network {name}: there are {', '.join(collection.networks)}")
    return name


def choose_runs(collection, network: str, options: argparse.Namespace) -> list:
    """One run of each scheme, all of the same seed where they can be. Raises UserError where there is none."""
    groups = {group.padding: group.runs for group in collection.of(network)}
    schemes = options.schemes or [name for name in ("zero", "partial") if name in groups]
    if options.schemes is None and len(schemes) < 2:
        schemes = list(groups)[:2]
    if absent := [scheme for scheme in schemes if scheme not in groups]:
        raise UserError(f"{network} has no finished run with {absent[0]} padding; there are {', '.join(groups)}")
    seeds = {scheme: [run.record.seed for run in groups[scheme]] for scheme in schemes}
    common = set.intersection(*map(set, seeds.values()))
    seed = options.seed if options.seed is not None else min(common, default=None)
    if options.seed is not None and seed not in common:
        raise UserError(f"--seed {seed}: not every scheme of {network} has it; all have {sorted(common) or 'none'}")
    chosen = []
    for scheme in dict.fromkeys(schemes):
        same = [run for run in groups[scheme] if run.record.seed == seed]
        chosen.append((same or groups[scheme])[0])
    return chosen


def choose_images(collection, network: str, trained, options: argparse.Namespace) -> list[tuple[Path, str]]:
    """Files and what to call them. Raises UserError where none can be found."""
    if options.images:
        return [(path, path.name) for path in options.images]
    if options.data_root is None and (found := images_of_figure4(collection, network, options.count)):
        return found
    return reported_images(trained, options.count)


def images_of_figure4(collection, network: str, count: int) -> list[tuple[Path, str]]:
    from studies.disagreements.table import compare, shown

    for each in compare(collection):
        if each.network == network:
            chosen = [
                (each.folder / each.images.files[number], each.images, number)
                for number in shown(each.there.images, count)
            ]
            return [
                (path, images.class_names[images.targets[number]]) for path, images, number in chosen if path.is_file()
            ]
    return []


def reported_images(trained, count: int) -> list[tuple[Path, str]]:
    """Images spread evenly over the reported ones."""
    from lightning_modules import SegmentationModule

    try:
        if isinstance(trained.module, SegmentationModule):
            found = [(trained.data.root / scene.image, Path(scene.image).name) for scene in trained.data.val_scenes]
        else:
            folder, files, targets = trained.data.eval_files()
            names = trained.data.class_names
            found = [(folder / file, names[target]) for file, target in zip(files, targets, strict=True)]
    except Exception as error:
        reason = message_for_users(error)
        raise UserError(f"{trained.folder.path}: {reason} (--data-root or --images names others)") from None
    return [found[number * len(found) // count] for number in range(min(count, len(found)))]


def list_layers(console: Console, trained, image: Path) -> int:
    """Prints the layers that have maps; returns the exit status."""
    from studies.activations.measure import as_seen, default_layers, layers_with_maps

    available = layers_with_maps(trained, as_seen(trained, image))
    default = default_layers(available)
    say(console, f"layers of {trained.record.network} with maps (channels x height x width); * is shown by default")
    for name, (layer, (channels, height, width)) in available.items():
        mark = "*" if name in default else " "
        say(console, f"{mark} {name:32} {type(layer).__name__:24} {channels} x {height} x {width}")
    return 0


def make_maps(collection, runs: Sequence, images, options: argparse.Namespace, device: str, console, study) -> int:
    """Makes the maps of each run and shows the study; a run that cannot be loaded is named and left out."""
    from studies.activations.measure import as_seen, default_layers, layers_with_maps, record_of
    from studies.checkpoints.load import load_network

    layers, failed = options.layers, []
    for run in runs:
        try:
            trained = load_network(run.folder, options.checkpoint, None, options.data_root, device=device)
            layers = layers or default_layers(layers_with_maps(trained, as_seen(trained, images[0][0])))
            record = record_of(trained, images, layers)
        except Exception as error:
            failed.append(f"{run.record.name}: {message_for_users(error)}")
            continue
        record.write(run.folder.evaluations / record.file_name)
        say(console, f"{run.record.name}: {', '.join(layers)} of {len(images)} images")
    if len(failed) == len(runs):
        raise UserError("\n".join(failed))
    status = run_studies(options, [study], "no maps were made")
    for message in failed:
        say(console, f"left out: {message}")
    return status
