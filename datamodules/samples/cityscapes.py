"""A miniature of Cityscapes, drawn by code: `python -m datamodules.samples.cityscapes`.

It makes the real loader run without a download: streets of the 21 cities with fine labels, of four more with coarse
ones. Nothing is to be concluded from it about real streets. What it is made to exercise:

- All label ids from 0 to 33 occur.
- `train`, a class that coarse images add to, occurs in them alone; `terrain`, which they do not add to, as well.
- `motorcycle` occurs in no validation image of split 0.
- `fence` occurs only within a twentieth of the width from the left and right border.

The files are the same on every machine, byte for byte: all is drawn in integers, and the PNGs are not compressed.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from datamodules.cityscapes.files import COARSE, FINE, IMAGES
from datamodules.cityscapes.splits import OFFICIAL_TRAIN, OFFICIAL_VAL
from datamodules.errors import DataError
from datamodules.samples.folder import MARKER, make_folder, read_marker
from datamodules.samples.stored_png import encode_png
from datamodules.samples.streets import UNLABELED, VERSION, draw_street

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "data" / "sample_cityscapes"
IMAGES_PER_CITY = 2
HEIGHT, WIDTH = 128, 256

# SHA-256 of all files of the tree in its default size, in the order of their paths.
FILES = "45324633845168ece07e7af2fc08e59e10fc82b705f4d4d3c6d28e060f42e2d9"

_COARSE_CITIES = ("augsburg", "bamberg", "erlangen", "konstanz")
_SMALLEST = 64

# What the scenes of a city show for sure; the first scene what stands beside it, the next what stands further on.
_TRAIN_FEATURES = (
    ("dynamic", "truck"),
    ("static", "bus"),
    ("ground", "motorcycle"),
    ("parking", "rider"),
    ("rail track", "bicycle"),
    ("guard rail", "wall"),
    ("bridge", "fence"),
    ("tunnel", "truck"),
    ("polegroup", "motorcycle"),
    ("caravan", "fence"),
    ("trailer", "rider"),
    ("wall", "fence", "bicycle"),
    ("bus", "rider"),
    ("truck", "motorcycle"),
    ("wall", "bicycle"),
    ("fence", "person"),
    ("motorcycle", "bus"),
    ("parking", "wall"),
)
_VAL_FEATURES = (("bus", "fence", "rider"), ("truck", "wall", "person"), ("bicycle", "fence", "rail track"))
_COARSE_FEATURES = (
    ("train", "terrain", "rail track"),
    ("train", "terrain", "truck"),
    ("train", "wall", "motorcycle"),
    ("terrain", "fence", "bus", "rider"),
)


def make(
    root: Path | str = DEFAULT_ROOT,
    images_per_city: int = IMAGES_PER_CITY,
    height: int = HEIGHT,
    width: int = WIDTH,
) -> Path:
    """Draw the tree unless it is there, complete and of this version and size; see `make_folder`.

    Args:
        root: the folder to make, with leftImg8bit/, gtFine/ and gtCoarse/.
        images_per_city: scenes of each of the 21 cities, and of each of the 4 with coarse labels.
        height: of the images in pixels.
        width: of the images in pixels.

    Returns:
        The root.

    Raises:
        DataError: the root holds something else, or the sizes are too small to draw in.
    """
    root = Path(root)
    if images_per_city < 1 or min(height, width) < _SMALLEST:
        raise DataError(
            f"{images_per_city} images a city of {height} x {width} pixels (height x width) cannot be drawn",
            todo=f"Take at least 1 image a city, and at least {_SMALLEST} pixels on each side.",
        )
    expected = {"version": VERSION, "images_per_city": images_per_city, "height": height, "width": width}
    return make_folder(
        root, expected, {IMAGES, FINE, COARSE}, lambda new: _write_tree(new, images_per_city, height, width)
    )


def digest(root: Path | str) -> str:
    """SHA-256 of all images and label files with their paths, in the order of the paths."""
    total = hashlib.sha256()
    for path in sorted(Path(root).rglob("*.png"), key=lambda path: path.as_posix()):
        total.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return total.hexdigest()


def coarsened(label_ids: np.ndarray) -> np.ndarray:
    """Label ids as a hurried annotator draws them: blocks well inside a region, and unlabeled between them.

    A block of a 32nd of the height keeps its label where all pixels up to half a block around it have the same.
    """
    block = max(label_ids.shape[0] // 32, 2)
    around = block // 2
    padded = np.pad(label_ids, around, mode="edge")
    coarse = np.full_like(label_ids, UNLABELED)
    for top in range(0, label_ids.shape[0], block):
        for left in range(0, label_ids.shape[1], block):
            window = padded[top : top + block + 2 * around, left : left + block + 2 * around]
            if (window == window[0, 0]).all():
                coarse[top : top + block, left : left + block] = window[0, 0]
    return coarse


def _write_tree(root: Path, images_per_city: int, height: int, width: int) -> dict[str, str]:
    for folder, labels, cities, table in (
        ("train", FINE, sorted(OFFICIAL_TRAIN), _TRAIN_FEATURES),
        ("val", FINE, sorted(OFFICIAL_VAL), _VAL_FEATURES),
        ("train_extra", COARSE, _COARSE_CITIES, _COARSE_FEATURES),
    ):
        for position, city in enumerate(cities):
            for number in range(images_per_city):
                features = table[(position + 7 * number) % len(table)]
                picture, label_ids = draw_street(city, number, height, width, features)
                name = f"{city}_{number:06d}_000019"
                if labels == COARSE:
                    label_ids = coarsened(label_ids)
                _write(root / IMAGES / folder / city / f"{name}_{IMAGES}.png", picture)
                _write(root / labels / folder / city / f"{name}_{labels}_labelIds.png", label_ids)
    return {"files": digest(root)}


def _write(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(pixels))


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m datamodules.samples.cityscapes", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder to make (default: %(default)s)")
    parser.add_argument(
        "--images-per-city", type=int, default=IMAGES_PER_CITY, help="images of each city (default: %(default)s)"
    )
    parser.add_argument("--height", type=int, default=HEIGHT, help="of the images, in pixels (default: %(default)s)")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the images, in pixels (default: %(default)s)")
    options = parser.parse_args(arguments)
    there = (options.root / MARKER).is_file()
    try:
        root = make(options.root, options.images_per_city, options.height, options.width)
    except DataError as error:
        raise SystemExit(f"error: {error}") from None
    default_size = (options.images_per_city, options.height, options.width) == (IMAGES_PER_CITY, HEIGHT, WIDTH)
    if default_size and read_marker(root)["files"] != FILES:
        print("warning: these files are not those of other machines; results on them cannot be compared")
    cities = len(OFFICIAL_TRAIN) + len(OFFICIAL_VAL)
    counts = f"{cities} cities and {len(_COARSE_CITIES)} with coarse labels, {options.images_per_city} images each"
    print(f"sample data {'in' if there else 'drawn into'} {root} ({counts}, {options.height} x {options.width} pixels)")


if __name__ == "__main__":
    main()
