"""A miniature of Cityscapes, drawn by code: `python -m datamodules.samples.cityscapes`.

It lets the real loader run without a download: streets of the 21 cities with fine labels, and of four more cities with
coarse labels. Results on it say nothing about real streets. It is made to exercise:

- All label ids from 0 to 33 occur.
- `train`, one of the classes that coarse images are used for, occurs in coarse images only; so does `terrain`, which
  is not one of them.
- `motorcycle` occurs in no validation image of split 0.
- `fence` occurs only within a twentieth of the width from the left and right border.

The same version of Pillow writes the same files.
"""

from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from datamodules.cityscapes.splits import TRAIN_CITIES, VAL_CITIES
from datamodules.samples.folder import command, make_folder
from datamodules.samples.streets import VERSION, draw_street

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "data" / "sample_cityscapes"

# What the scenes of each city are sure to show; each further scene of a city takes a later entry.
_TRAIN = (
    *(("dynamic", "truck"), ("static", "bus"), ("ground", "motorcycle"), ("parking", "rider")),
    *(("rail track", "bicycle"), ("guard rail", "wall"), ("bridge", "fence"), ("tunnel", "truck")),
    *(("polegroup", "motorcycle"), ("caravan", "fence"), ("trailer", "rider"), ("wall", "fence", "bicycle")),
    *(("bus", "rider"), ("truck", "motorcycle"), ("wall", "bicycle"), ("fence", "person")),
    *(("motorcycle", "bus"), ("parking", "wall")),
)
_VAL = (("bus", "fence", "rider"), ("truck", "wall", "person"), ("bicycle", "fence", "rail track"))
_COARSE = {
    "augsburg": ("train", "terrain", "rail track"),
    "bamberg": ("train", "terrain", "truck"),
    "erlangen": ("train", "wall", "motorcycle"),
    "konstanz": ("terrain", "fence", "bus", "rider"),
}
_SETS = (
    ("train", "gtFine", TRAIN_CITIES, _TRAIN),
    ("val", "gtFine", VAL_CITIES, _VAL),
    ("train_extra", "gtCoarse", tuple(_COARSE), tuple(_COARSE.values())),
)


def make(root: Path = DEFAULT_ROOT, images_per_city: int = 2, height: int = 128, width: int = 256) -> Path:
    """Draw streets of 25 cities in Cityscapes' layout unless they exist in this version and size.

    Returns the root, with leftImg8bit/, gtFine/ and gtCoarse/. Raises DataError if the root holds something else.
    """
    expected = {"version": VERSION, "images_per_city": images_per_city, "height": height, "width": width}
    write = partial(_write_tree, images_per_city, height, width)
    return make_folder(Path(root), expected, write)


def coarsened(label_ids: np.ndarray) -> np.ndarray:
    """Label ids as in coarse annotations: kept well inside a region, unlabeled (0) near its border."""
    labels, reach = Image.fromarray(label_ids), max(label_ids.shape[0] // 64, 1)
    low, high = (
        np.asarray(labels.filter(rank(2 * reach + 1))) for rank in (ImageFilter.MinFilter, ImageFilter.MaxFilter)
    )
    return np.where(low == high, label_ids, 0).astype(np.uint8)


def _write_tree(images_per_city: int, height: int, width: int, root: Path) -> None:
    for folder, labels, cities, table in _SETS:
        for position, city in enumerate(cities):
            for number in range(images_per_city):
                features = table[(position + 7 * number) % len(table)]
                picture, label_ids = draw_street(city, number, height, width, features)
                name = f"{city}_{number:06d}_000019"
                if labels == "gtCoarse":
                    label_ids = coarsened(label_ids)
                _write(root / "leftImg8bit" / folder / city / f"{name}_leftImg8bit.png", picture)
                _write(root / labels / folder / city / f"{name}_{labels}_labelIds.png", label_ids)


def _write(file: Path, pixels: np.ndarray) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    # Not compressed: the output of zlib may depend on the processor.
    Image.fromarray(pixels).save(file, compress_level=0)


if __name__ == "__main__":
    command(make, DEFAULT_ROOT)
