"""A small set of pictures in ImageNet's layout, drawn by code: `python -m datamodules.sample_imagenet`.

It makes the real loader run without a download. The classes are shapes anywhere in the picture, cut by the border too,
in any colour, size and rotation; nothing is to be concluded from it about natural images.

The drawn pixels are the same on every machine. The files are, too, for one version of Pillow's libjpeg-turbo.
"""

import argparse
import hashlib
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from datamodules.errors import DataError
from datamodules.sample_drawing import SHAPES, VERSION, draw

DEFAULT_ROOT = Path(__file__).resolve().parent.parent / "data" / "sample_imagenet"
TRAIN_PER_CLASS = 120
VAL_PER_CLASS = 40

# SHA-256 of the drawn pixels of the tree in its default size.
PIXELS = "17de8672b7a33591a7df61353a7d2db4d839679bc32ff1e40c2530f9eceb55ed"

_MARKER = "sample.json"
_CLASS_LIST = "LOC_synset_mapping.txt"
_CONTENT = {"train", "val", _CLASS_LIST, _MARKER}
# WordNet offsets of ImageNet begin with 0 or 1, so no real synset has these names.
_FOLDERS = {f"n9000{number:04d}": name for number, name in enumerate(SHAPES, 1)}


def make(root: Path | str = DEFAULT_ROOT, train_per_class: int = TRAIN_PER_CLASS, val_per_class: int = VAL_PER_CLASS):
    """Draw the tree unless it is there, complete and of this version and size.

    It is drawn beside the root and renamed, so that a killed run leaves no half of it under that name, and two
    processes at once do no harm.

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
    if _is_complete(root, expected):
        return root
    _refuse_foreign(root)
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{root.name}.", dir=root.parent) as scratch:
        fresh = Path(scratch) / "new"
        digests = _write_tree(fresh, train_per_class, val_per_class)
        (fresh / _MARKER).write_text(json.dumps({**expected, **digests}, indent=2) + "\n")
        if root.exists():
            os.rename(root, Path(scratch) / "old")
        try:
            os.rename(fresh, root)
        except OSError:
            if not _is_complete(root, expected):
                raise
    return root


def read_marker(root: Path | str) -> dict:
    """What `make` noted: version, sizes, and SHA-256 of the drawn pixels (`pixels`) and of the files (`files`)."""
    return json.loads((Path(root) / _MARKER).read_text())


def _is_complete(root: Path, expected: dict) -> bool:
    try:
        found = read_marker(root)
    except (OSError, ValueError):
        return False
    return all(found.get(key) == value for key, value in expected.items())


def _refuse_foreign(root: Path) -> None:
    if root.is_dir() and (foreign := sorted({entry.name for entry in root.iterdir()} - _CONTENT)):
        raise DataError(
            f"holds {foreign[0]!r}, which the sample data do not, so it is not replaced",
            where=root,
            todo="Choose another folder with --root.",
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
    parser = argparse.ArgumentParser(prog="python -m datamodules.sample_imagenet", description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder to make (default: %(default)s)")
    parser.add_argument("--train-per-class", type=int, default=TRAIN_PER_CLASS, help="images (default: %(default)s)")
    parser.add_argument("--val-per-class", type=int, default=VAL_PER_CLASS, help="images (default: %(default)s)")
    arguments = parser.parse_args()
    there = (arguments.root / _MARKER).is_file()
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
