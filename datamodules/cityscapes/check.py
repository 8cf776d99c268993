"""Checks a Cityscapes tree before training: `python -m datamodules.cityscapes ROOT [--split K] [--deep]`.

Finds in minutes what would stop a training of days. Exits with 0 and a report, or with 2 and an error. A deep check
takes half an hour on one core for the fine labels, 5 for the coarse ones too.
"""

from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np

from datamodules.cityscapes.datasets import refuse_other_size
from datamodules.cityscapes.files import Scene
from datamodules.cityscapes.labels import CLASS_NAMES, decode_classes, label_size
from datamodules.cityscapes.splits import (
    CITIES,
    FOLDERS,
    SPLITS,
    check_split,
    coarse_scenes,
    fine_scenes,
    split_cities,
)
from datamodules.errors import some
from datamodules.loading.check import compare_digests, make_parser, read_all, run
from datamodules.loading.decode import decode_rgb, image_size
from datamodules.loading.file_set import file_digest

OFFICIAL = {(0, "train"): 2975, (0, "val"): 500, (0, "coarse"): 19_998}
"""Images of the sets of the official split."""


def check(
    root: Path,
    split: int | str = 0,
    coarse: bool = True,
    deep: bool = False,
    num_workers: int | None = None,
    digests: Path | None = None,
) -> str:
    """Images of each city, the official numbers, missing cities, sizes, and, if `deep`, the classes that a set lacks.

    Every image has its label file and the other way round, the headers of both can be read, and both have one size.
    `deep` also finds truncated files and values that are no label id. `main` says what the options are.

    Raises:
        DataError: the tree cannot be used; of many faults of one kind, the first and their number.
    """
    sets = {"train": fine_scenes(root, check_split(split), "train"), "val": fine_scenes(root, split, "val")}
    if coarse:
        sets["coarse"] = coarse_scenes(root, split)
    everything = [scene for scenes in sets.values() for scene in scenes]
    found = read_all(partial(_read, root, everything, deep), len(everything), num_workers, "scenes", root)
    lines = [f"{root}: {_describe(split)}, {'all pixels' if deep else 'all headers'} read"]
    for name, scenes in sets.items():
        lines += _report(name, scenes, split)
    sizes = Counter(size for size, *_ in found).most_common()
    lines.append("sizes: " + some((f"{width} x {height} ({count})" for (width, height), count in sizes), 8))
    if deep:
        lines += _report_classes(sets, [classes for _, classes, _ in found])
        names = (path for scene in everything for path in (scene.image, scene.label))
        contents = (digest for *_, pair in found for digest in pair)
        lines.append(compare_digests(root, dict(zip(names, contents, strict=True)), digests))
    return "\n".join(lines)


def _read(root: Path, scenes: list[Scene], deep: bool, index: int) -> tuple:
    """(width, height) of a scene; if `deep`, which classes its label file has, and digests of both files."""
    image, label = str(root / scenes[index].image), str(root / scenes[index].label)
    if not deep:
        size = image_size(image)
        refuse_other_size(image, size, label, label_size(label))
        return size, None, ()
    size, classes = decode_rgb(image).size, decode_classes(label)
    refuse_other_size(image, size, label, classes.shape[::-1])
    present = np.bincount(classes.ravel(), minlength=256)[: len(CLASS_NAMES)] > 0
    return size, present, (file_digest(image), file_digest(label))


def _describe(split: int | str) -> str:
    return "train/ and val/ as they are" if split == FOLDERS else f"split {split}, val {some(split_cities(split)[1])}"


def _report(name: str, scenes: list[Scene], split: int | str) -> list[str]:
    counts, official = Counter(scene.city for scene in scenes), OFFICIAL.get((split, name))
    beside = "" if official is None else f" (official: {official})"
    lines = [f"{name}: {len(scenes)} images of {len(counts)} {'city' if len(counts) == 1 else 'cities'}{beside}"]
    lines += [f"  {city:<16}{count:>6}" for city, count in sorted(counts.items())]
    expected = () if split == FOLDERS or name == "coarse" else split_cities(split)[0 if name == "train" else 1]
    if missing := sorted(set(expected) - counts.keys()):
        lines.append(f"  missing: {some(missing, len(CITIES))}")
    return lines


def _report_classes(sets: dict[str, list[Scene]], present: list[np.ndarray]) -> list[str]:
    lines, start = [], 0
    for name, scenes in sets.items():
        there = np.any(present[start : start + len(scenes)], axis=0)
        start += len(scenes)
        absent = [CLASS_NAMES[number] for number in np.flatnonzero(~there)]
        lines.append(f"classes that {name} lacks: {some(absent, len(CLASS_NAMES)) or 'none'}")
    return lines


def main(arguments: list[str] | None = None) -> int:
    """The command; returns its exit status."""
    parser = make_parser("datamodules.cityscapes", "a tree of Cityscapes", "leftImg8bit/, gtFine/ and gtCoarse/")
    parser.add_argument(
        "--split",
        type=lambda value: int(value) if value.isdecimal() else value,
        choices=SPLITS,
        default=0,
        help="as data.split (default: 0)",
    )
    parser.add_argument("--no-coarse", dest="coarse", action="store_false", help="do without gtCoarse and train_extra")
    return run(check, parser.parse_args(arguments))
