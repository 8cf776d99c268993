"""Which cities are trained on and which are validated on."""

from collections import Counter
from pathlib import Path

from datamodules.cityscapes.files import COARSE, FINE, IMAGES, Scene, find_scenes, locate
from datamodules.errors import DataError, checked, some

# The official training and validation cities, whose images have fine labels.
TRAIN_CITIES = (
    *("aachen", "bochum", "bremen", "cologne", "darmstadt", "dusseldorf", "erfurt", "hamburg", "hanover", "jena"),
    *("krefeld", "monchengladbach", "strasbourg", "stuttgart", "tubingen", "ulm", "weimar", "zurich"),
)
VAL_CITIES = ("frankfurt", "lindau", "munster")
CITIES = (*VAL_CITIES, *TRAIN_CITIES)

FOLDERS = "folders"
SPLITS = (0, 1, 2, FOLDERS)
# Between the first validation cities of one split and of the next.
_OFFSET = 7


def check_split(split: int | str) -> int | str:
    """The split itself; raises DataError unless it is one of `SPLITS`."""
    return checked("split", split, not isinstance(split, bool) and split in SPLITS, "0, 1, 2 or 'folders'")


def split_cities(split: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(training cities, validation cities): 18 and 3 of the 21.

    Split 0 is the official one (2,975 and 500 images). Split 2 has the sizes of the paper's "additional split" (2,820
    and 655 images; section 4.2 gives no names).
    """
    start = split * _OFFSET
    val = CITIES[start : start + 3]
    return tuple(city for city in CITIES if city not in val), val


def fine_scenes(root: Path, split: int | str, part: str) -> list[Scene]:
    """The finely labelled scenes to train or to validate on.

    Args:
        root: the tree.
        split: 0, 1 or 2 by city, wherever in train/ and val/ its scenes lie; "folders" takes train/ and val/ as they
            are, in any city.
        part: "train" or "val".

    Raises:
        DataError: as `find_scenes`; a city that no split knows; a city of this part is not there at all.
    """
    if check_split(split) == FOLDERS:
        return find_scenes(root, part)
    cities = split_cities(split)[0 if part == "train" else 1]
    everything = all_scenes(root)
    scenes = [scene for scene in everything if scene.city in cities]
    if not scenes:
        raise DataError(
            f"holds no image of the {'training' if part == 'train' else 'validation'} cities of split {split}"
            f" ({some(cities, 18)}); it has {some(sorted({scene.city for scene in everything}), 21)}",
            where=root,
            todo="Complete the tree, choose another `split`, or set `split: folders` to take train/ and val/ as they"
            " are.",
        )
    return scenes


def coarse_scenes(root: Path, split: int | str) -> list[Scene]:
    """The coarsely labelled scenes of train_extra.

    Raises:
        DataError: as `find_scenes`; or they show a city that the split validates on.
    """
    try:
        scenes = find_scenes(root, "train_extra", COARSE)
    except DataError as error:
        raise DataError(
            str(error), todo="To train without coarse images (gtCoarse and train_extra), set data.coarse=false."
        ) from error
    held_out = () if split == FOLDERS else split_cities(split)[1]
    if leaked := [scene.image for scene in scenes if scene.city in held_out]:
        raise DataError(
            f"train_extra has {len(leaked)} images of cities that split {split} validates on: {some(leaked)}",
            where=root,
            todo="Remove them, or set data.coarse=false.",
        )
    return scenes


def all_scenes(root: Path) -> list[Scene]:
    """The finely labelled scenes of the 21 cities in train/ and val/, sorted by city and name.

    Raises:
        DataError: as `find_scenes`; a city that no split knows; a file in another city's folder; one scene twice.
    """
    present = [folder for folder in ("train", "val") if locate(root, IMAGES, folder) or locate(root, FINE, folder)]
    scenes = [scene for folder in present or ["train"] for scene in find_scenes(root, folder)]
    scenes.sort(key=lambda scene: (scene.city, Path(scene.image).name))
    if unknown := {scene.city: scene.image for scene in reversed(scenes) if scene.city not in CITIES}:
        raise DataError(
            f"holds {len(unknown)} cities that splits 0, 1 and 2 do not know:"
            f" {some(f'{city} ({unknown[city]})' for city in sorted(unknown))}",
            where=root,
            todo="Set `split: folders` to take train/ and val/ as they are.",
        )
    if wrong := [scene.image for scene in scenes if not Path(scene.image).name.startswith(f"{scene.city}_")]:
        raise DataError(
            f"{len(wrong)} images lie in another city's folder: {some(wrong)}",
            where=root,
            todo="Move them, with their labels: a split by city would put them on the wrong side.",
        )
    times = Counter(Path(scene.image).name for scene in scenes)
    if twice := [scene.image for scene in scenes if times[Path(scene.image).name] > 1]:
        raise DataError(f"holds scenes in train/ and in val/: {some(twice)}", where=root, todo="Remove one of each.")
    return scenes
