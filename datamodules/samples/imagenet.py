"""A small set of pictures in ImageNet's layout, drawn by code: `python -m datamodules.samples.imagenet`.

It makes the real loader run without a download. The classes are shapes anywhere in the picture, cut by the border too,
in any colour, size and rotation; nothing is to be concluded from it about natural images.

The drawn pixels are the same on every machine. The files are, too, for one version of Pillow's libjpeg-turbo.
"""

import argparse
import hashlib
from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.errors import DataError
from datamodules.samples.folder import MARKER, make_folder, read_marker
from datamodules.samples.objects import SHAPES, VERSION, draw

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "data" / "sample_imagenet"
TRAIN_PER_CLASS = 120
VAL_PER_CLASS = 40

# SHA-256 of the drawn pixels of the tree in its default size.
PIXELS = "17de8672b7a33591a7df61353a7d2db4d839679bc32ff1e40c2530f9eceb55ed"

_CLASS_LIST = "LOC_synset_mapping.txt"
# WordNet offsets of ImageNet begin with 0 or 1, so no real synset has these names.
_FOLDERS = {f"n9000{number:04d}": name for number, name in enumerate(SHAPES, 1)}


def make(root: Path | str = DEFAULT_ROOT, train_per_class: int = TRAIN_PER_CLASS, val_per_class: int = VAL_PER_CLASS):
    """Draw the tree unless it is there, complete and of this version and size; see `make_folder`.

    Args:
        root: the folder to make, with train/, val/ and LOC_synset_mapping.txt.
        train_per_class: training images of each of the 10 classes.
        val_per_class: validation images of each class.

    Returns:
        The root.

    Raises:
        DataError: the root holds something else.
    """
    root = Path(root)
    expected = {"version": VERSION, "train_per_class": train_per_class, "val_per_class": val_per_class}
    return make_folder(
        root, expected, {"train", "val", _CLASS_LIST}, lambda new: _write_tree(new, train_per_class, val_per_class)
    )


def _write_tree(root: Path, train_per_class: int, val_per_class: int) -> dict[str, str]:
    pixels, files = hashlib.sha256(), hashlib.sha256()
    for split, count in (("train", train_per_class), ("val", val_per_class)):
        for position, (folder, name) in enumerate(_FOLDERS.items()):
            place = root / split / folder
            place.mkdir(parents=True)
            for number in range(count):
                picture = draw(name, split, number)
                pixels.update(np.array(picture.shape, dtype="<i8").tobytes() + picture.tobytes())
                file = place / f"{folder}_{split}_{number:04d}.JPEG"
                _save(picture, file, odd=position if number == 0 else None)
                files.update(file.read_bytes())
    (root / _CLASS_LIST).write_text("".join(f"{folder} {name}\n" for folder, name in _FOLDERS.items()))
    return {"pixels": pixels.hexdigest(), "files": files.hexdigest()}


def _save(picture: np.ndarray, file: Path, odd: int | None) -> None:
    """A JPEG; the first image of three classes is grey, CMYK, and a PNG named JPEG, as some of ImageNet's are."""
    image = Image.fromarray(picture)
    if odd == 2:
        image.save(file, format="PNG")
        return
    image = image.convert({0: "L", 1: "CMYK"}.get(odd, "RGB"))
    image.save(
        file, format="JPEG", quality=88, subsampling=0 if odd in (0, 1) else 2, optimize=False, progressive=False
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m datamodules.samples.imagenet", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder to make (default: %(default)s)")
    parser.add_argument("--train-per-class", type=int, default=TRAIN_PER_CLASS, help="images (default: %(default)s)")
    parser.add_argument("--val-per-class", type=int, default=VAL_PER_CLASS, help="images (default: %(default)s)")
    arguments = parser.parse_args()
    there = (arguments.root / MARKER).is_file()
    default_size = (arguments.train_per_class, arguments.val_per_class) == (TRAIN_PER_CLASS, VAL_PER_CLASS)
    try:
        root = make(arguments.root, arguments.train_per_class, arguments.val_per_class)
    except DataError as error:
        raise SystemExit(f"error: {error}") from None
    counts = f"{len(_FOLDERS)} classes, {arguments.train_per_class} + {arguments.val_per_class} images each"
    if default_size and read_marker(root)["pixels"] != PIXELS:
        print("warning: these pixels are not those of other machines; results on them cannot be compared")
    print(f"sample data {'in' if there else 'drawn into'} {root} ({counts})")


if __name__ == "__main__":
    main()
