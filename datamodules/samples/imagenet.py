"""A small set of pictures in ImageNet's layout, drawn by code: `python -m datamodules.samples.imagenet`.

It makes the real loader run without a download. The classes are shapes anywhere in the picture, cut by the border too,
in any colour, size and rotation; nothing is to be concluded from it about natural images.

The files are the same for one version of Pillow.
"""

from functools import partial
from pathlib import Path

from PIL import Image

from datamodules.samples.folder import command, make_folder
from datamodules.samples.shapes import SHAPES, VERSION, draw

DEFAULT_ROOT = Path(__file__).resolve().parents[2] / "data" / "sample_imagenet"

# `folder.digest` of the tree in its default size, with the Pillow of requirements.lock.
FILES = "4b6bc30132b985e10b78f2f123a7e8e9ac19a24c05d96c7d83912c732bcf740d"

_CLASS_LIST = "LOC_synset_mapping.txt"
# WordNet offsets of ImageNet begin with 0 or 1, so no real synset has these names.
_FOLDERS = {f"n9000{number:04d}": name for number, name in enumerate(SHAPES, 1)}


def make(root: Path = DEFAULT_ROOT, train_per_class: int = 120, val_per_class: int = 40) -> Path:
    """Draw pictures of 10 shapes in ImageNet's layout unless they are there, of this version and size.

    Returns the root, with train/, val/ and LOC_synset_mapping.txt. Raises DataError where it holds something else.
    """
    counts = {"train": train_per_class, "val": val_per_class}
    expected = {"version": VERSION, "train_per_class": train_per_class, "val_per_class": val_per_class}
    return make_folder(Path(root), expected, {"train", "val", _CLASS_LIST}, partial(_write_tree, counts))


def _write_tree(counts: dict[str, int], root: Path) -> None:
    for split, count in counts.items():
        for position, (folder, name) in enumerate(_FOLDERS.items()):
            (root / split / folder).mkdir(parents=True)
            for number in range(count):
                file = root / split / folder / f"{folder}_{split}_{number:04d}.JPEG"
                _save(draw(name, split, number), file, odd=position if number == 0 else None)
    (root / _CLASS_LIST).write_text("".join(f"{folder} {name}\n" for folder, name in _FOLDERS.items()))


def _save(picture: Image.Image, file: Path, odd: int | None) -> None:
    """A JPEG; the first image of three classes is grey, CMYK, and a PNG named JPEG, as some of ImageNet's are."""
    if odd == 2:
        picture.save(file, format="PNG", compress_level=0)
    else:
        picture.convert({0: "L", 1: "CMYK"}.get(odd, "RGB")).save(file, format="JPEG", quality=88)


def main(arguments: list[str] | None = None) -> None:
    command(make, FILES, f"{len(_FOLDERS)} classes", "datamodules.samples.imagenet", arguments)


if __name__ == "__main__":
    main()
