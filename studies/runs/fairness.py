"""Checks whether the compared runs differ in padding and seed only; the report warns of all other differences."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from records import deciding
from records.configuration import flatten
from records.summary import is_sound
from studies.runs.collect import Collection, Group, Run

FREE = ("seed_everything", "data.init_args.seed", "model.padding", "model.init_args.padding")
"""Settings that a comparison varies."""

ROOT = "data.init_args.root"

SAMPLES = ("sample_imagenet", "sample_cityscapes")
"""Names of folders of drawn images: those of datamodules.errors.DRAWN, which a report may not import."""

CHANGED = "+changes"
"""Suffix of a commit in a record if the files of the run differed from it."""

SHOWN = 60
"""Largest number of characters of a value in a message."""


def warnings(collection: Collection) -> Iterator[str]:
    """Yields a sentence for each thing that makes a comparison less than fair."""
    if drawn := sorted({run.record.data_root for run in collection.runs if is_drawn(run)}):
        yield (
            f"Runs were trained on images that this program drew ({', '.join(drawn)}): they show how it works, and "
            "are no evidence of what padding does."
        )
    for network in collection.networks:
        yield from _differences(network, [run for group in collection.of(network) for run in group.runs])
    for group in collection.groups:
        yield from _repeated_seeds(group)
    for run in collection.runs:
        if skipped := run.folder.read_noted(run.folder.skipped):
            yield f"{run.record.name}: {len(skipped)} damaged training images were skipped ({run.folder.skipped})."
    yield from _no_numbers(collection)
    yield from _commits(collection)


def is_drawn(run: Run) -> bool:
    return Path(run.record.data_root).name in SAMPLES


def _no_numbers(collection: Collection) -> Iterator[str]:
    for run in collection.runs:
        epochs = ", ".join(str(int(row["epoch"]) + 1) for row in run.rows if not is_sound(row))
        if epochs:
            yield f"{run.record.name}: a figure of the validation is no number in epoch {epochs}; it is no best epoch."


def _differences(network: str, runs: list[Run]) -> Iterator[str]:
    read = {}
    for run in runs:
        if (settings := read_settings(run)) is None:
            yield f"{run.record.name}: config.yaml is missing or damaged, so its settings were not compared."
        else:
            read[run] = settings
    # Data that have moved are the same data, so folders are not compared; of older records only the folder is known.
    if all(settings["data"] for settings in read.values()):
        read = {run: {**settings, ROOT: None} for run, settings in read.items()}
    else:
        read = {run: {**settings, "data": None} for run, settings in read.items()}
    for key in sorted(set().union(*read.values())):
        holders: dict[str, list[Run]] = defaultdict(list)
        for run, settings in read.items():
            holders[str(settings.get(key, "(not set)"))].append(run)
        if len(holders) > 1:
            yield f"{network}: the runs differ in {key}: {_who_has_what(holders)}."


def read_settings(run: Run) -> dict[str, Any] | None:
    """Maps dotted names to the settings that decide the result, but padding and seed; None without a config.yaml."""
    try:
        content = yaml.safe_load(run.folder.config.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        content = None
    if not isinstance(content, dict):
        return None
    settings = {key: value for key, value in deciding(content).items() if key not in FREE}
    settings[ROOT] = flatten(content).get(ROOT)
    return {"trainer.max_epochs": run.record.max_epochs, **settings, "data": run.record.data}


# Cached, since it reads the configuration, and every table with the paper's figures asks for it.
@cache
def is_of_imagenet(run: Run) -> bool:
    """Whether a classifier has 1,000 classes, as in the paper; True if its configuration names no number."""
    return (read_settings(run) or {}).get("model.init_args.num_classes", 1000) == 1000


def _who_has_what(holders: dict[str, list[Run]]) -> str:
    """Lists values with their runs, the most frequent first, up to three by name: `10 (5 runs); 5 (partial seed 2)`."""
    parts = []
    for value, runs in sorted(holders.items(), key=lambda item: -len(item[1])):
        few = ", ".join(f"{run.record.padding} seed {run.record.seed}" for run in runs)
        # Values are shortened only here, after the comparison: long ones, such as class lists, may differ at their end.
        shown = value if len(value) <= SHOWN else f"{value[: SHOWN - 3]}..."
        parts.append(f"{shown} ({few if len(runs) <= 3 else f'{len(runs)} runs'})")
    return "; ".join(parts)


def _repeated_seeds(group: Group) -> Iterator[str]:
    counts = Counter(run.record.seed for run in group.runs)
    for seed, count in counts.items():
        if count > 1:
            folders = ", ".join(str(run.folder.path) for run in group.runs if run.record.seed == seed)
            yield (
                f"{group}: seed {seed} is there {count} times ({folders}). All are counted; they are not "
                "independent, so the spread comes out too small."
            )


def _commits(collection: Collection) -> Iterator[str]:
    attempts = (attempt for run in collection.runs for attempt in run.record.attempts)
    found = {str(attempt["commit"]) for attempt in attempts if attempt.get("commit")}
    if len(found) > 1:
        yield f"The runs come from {len(found)} commits: {', '.join(map(_short, sorted(found)))}."
    changed = sorted(commit for commit in found if commit.endswith(CHANGED))
    if changed:
        yield f"Runs were made with files that differ from their commit: {', '.join(map(_short, changed))}."


def _short(commit: str) -> str:
    return commit[:10] + (CHANGED if commit.endswith(CHANGED) else "")
