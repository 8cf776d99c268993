"""Finds the scenes in a tree of Cityscapes' layout: pairs of an image and a label file, and their city."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from datamodules.errors import DataError, named, refuse_no_folder, some

IMAGES, FINE, COARSE = "leftImg8bit", "gtFine", "gtCoarse"
_ENDINGS = {IMAGES: "_leftImg8bit.png", FINE: "_gtFine_labelIds.png", COARSE: "_gtCoarse_labelIds.png"}
# The root itself, then the folders that the archives are often unpacked into.
_PREFIXES = {
    IMAGES: ("", "leftImg8bit_trainvaltest", "leftImg8bit_trainextra"),
    FINE: ("", "gtFine_trainvaltest"),
    COARSE: ("", "gtCoarse"),
}
LAYOUT = (
    "Expected leftImg8bit/SPLIT/CITY/CITY_SEQ_FRAME_leftImg8bit.png and"
    " gtFine/SPLIT/CITY/CITY_SEQ_FRAME_gtFine_labelIds.png (gtCoarse/... for coarse labels), also below the archives'"
    " own folders (leftImg8bit_trainvaltest/, ...)."
)


class Scene(NamedTuple):
    """One image and its label file, both relative to the root, and the city whose folder they lie in."""

    image: str
    label: str
    city: str


def find_scenes(root: Path, folder: str, labels: str = FINE) -> list[Scene]:
    """The scenes of one split folder, sorted by city and name.

    Args:
        root: the tree.
        folder: "train", "val" or "train_extra".
        labels: `FINE` or `COARSE`.

    Raises:
        DataError: the root or the folder is missing, there is no image, or an image or label file has no partner.
    """
    images, targets = _list(root, IMAGES, folder), _list(root, labels, folder)
    if not images:
        raise DataError(
            f"holds no `*{_ENDINGS[IMAGES]}` in a city's folder", where=locate(root, IMAGES, folder), todo=LAYOUT
        )
    _refuse_single(images.keys() - targets.keys(), images, f"no label file in {labels}/{folder}", root)
    _refuse_single(targets.keys() - images.keys(), targets, f"no image in {IMAGES}/{folder}", root)
    return [Scene(images[key], targets[key], key[0]) for key in sorted(images)]


def locate(root: Path, kind: str, folder: str) -> Path | None:
    """The split folder of a kind (`IMAGES`, `FINE`, `COARSE`), or None; raises DataError if the root is missing."""
    refuse_no_folder(root, "Set `root` to the folder that holds leftImg8bit/ and gtFine/.")
    places = (root / prefix / kind / folder for prefix in _PREFIXES[kind])
    return next((place for place in places if place.is_dir()), None)


def _list(root: Path, kind: str, folder: str) -> dict[tuple[str, str], str]:
    """Maps (city, name without its ending) to the path relative to the root, for all files of a kind."""
    place = locate(root, kind, folder)
    if place is None:
        found = some(sorted(entry.name for entry in root.iterdir())) or "nothing"
        raise DataError(f"has no {kind}/{folder} folder; it holds {found}", where=root, todo=LAYOUT)
    ending, start = _ENDINGS[kind], os.path.relpath(place, root)
    files = {}
    for city in _names(place):
        if not (place / city).is_dir():
            continue
        for name in _names(place / city):
            if name.endswith(ending):
                files[city, name.removesuffix(ending)] = os.path.join(start, city, name)
    return files


def _names(folder: Path) -> list[str]:
    with named("cannot be read", folder):
        # macOS leaves files `._x.png`, which are no images.
        return [name for name in os.listdir(folder) if not name.startswith(".")]


def _refuse_single(keys: Iterable[tuple[str, str]], files: dict[tuple[str, str], str], lack: str, root: Path) -> None:
    if single := sorted(files[key] for key in keys):
        raise DataError(
            f"{len(single)} of {len(files)} files have {lack}: {some(single)}",
            where=root,
            todo="Unpack the archive with the missing files, or remove these.",
        )
