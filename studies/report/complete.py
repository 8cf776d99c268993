"""`report --complete`: runs the studies whose results a folder of runs lacks, each as its own command does."""

from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from records.errors import in_one_line
from studies import find
from studies.runs.collect import FIRST_SCHEMES, REFERENCE, Collection
from studies.runs.command import say
from studies.runs.fairness import read_settings

Step = tuple[str, list[str]]
"""A command and its arguments."""

IMAGE_SIZE = "data.init_args.image_size"


def run_missing(folder: Path, data_root: Path | None, collection: Collection, output: Path) -> list[str]:
    """Runs each step; one that cannot be run is named, and the rest goes on.

    Returns a sentence for each step that was not completed. Raises SystemExit if one was interrupted, with its status.
    """
    console, failed = Console(), []
    for command, arguments in steps(folder, data_root, collection, output):
        say(console, f"\n-- main.py {command} {' '.join(arguments)}")
        try:
            status = find(command).main(arguments)
            problem = "some runs are left out, see above" if status else ""
        # Whatever stops one study (no images, no memory), the others can still be run.
        except Exception as error:
            status, problem = 1, in_one_line(error)
        # 128 + signal, such as 130 for Ctrl-C: the user wants no further study.
        if status > 128:
            raise SystemExit(status)
        if problem:
            failed.append(f"not completed: {command}: {problem}")
            say(console, failed[-1])
    return failed


def steps(folder: Path, data_root: Path | None, collection: Collection, output: Path) -> Iterator[Step]:
    """Yields the commands that apply to the runs' metric, in the order of the paper."""
    runs = [str(folder), "--metric", collection.metric, "--output", str(output)]
    images = ["--data-root", str(data_root)] if data_root else []
    if collection.metric == "val/miou":
        yield "segmentation", [*runs, *images, "--test", "--pictures"]
        return
    yield from _timings(folder, collection)
    yield "cross-test", [*runs, *images]
    schemes = {name: {group.padding for group in collection.of(name)} for name in collection.networks}
    both = [name for name in collection.networks if schemes[name] >= {*FIRST_SCHEMES}]
    if both:
        yield "disagreements", [*runs, *images]
    for network in both:
        yield "activations", [*runs, *images, "--network", network]


def _timings(root: Path, collection: Collection) -> Iterator[Step]:
    """Yields the command for Table 1, of the runs' own networks and image sizes, unless it was measured."""
    folder = root / "timing"
    if any(folder.rglob("timing*.json")):
        return
    networks = dict.fromkeys(run.record.network for run in collection.runs)
    sizes = {(read_settings(run) or {}).get(IMAGE_SIZE, 224) for run in collection.runs}
    schemes = [scheme for scheme in collection.schemes if scheme != REFERENCE]
    arguments = ["--networks", *networks, "--sizes", *map(str, sorted(sizes)), "--output", str(folder)]
    yield "timing", [*arguments, *(["--schemes", *schemes] if schemes else [])]
