"""Labels of a flat validation folder, and words for classes whose folders have codes for names."""

import re
from pathlib import Path, PurePath

from datamodules.errors import DataError, some

_WNID = re.compile(r"n\d{8}")

ACCEPTED = (
    "Accepted: Kaggle's LOC_val_solution.csv (header `ImageId,PredictionString`); a text file with one synset"
    " (n01440764) a line, in the order of the sorted file names; the same with `FILENAME SYNSET` on each line; or"
    " ILSVRC2012_validation_ground_truth.txt (one number a line) together with `val_synsets`."
)


def read_ground_truth(file: Path, images: list[str], synsets: Path | None = None) -> list[str]:
    """The synset of each image.

    Args:
        file: the ground truth, in one of the formats of `ACCEPTED`.
        images: the image files, sorted by name.
        synsets: for numeric labels, the synsets in the order of their ILSVRC2012_ID, one a line (the devkit's meta.mat
            holds them). That order is not the sorted one: number 1 is n02119789.

    Returns:
        One synset for each image.

    Raises:
        DataError: the format is unknown, or an image has no label.
    """
    lines = [line.strip() for line in _read(file).splitlines() if line.strip()]
    if not lines:
        raise DataError("is empty", where=file, todo=ACCEPTED)
    if lines[0].replace(" ", "") == "ImageId,PredictionString":
        return _by_name(file, images, [line.replace(",", " ").split()[:2] for line in lines[1:]])
    fields = [line.split() for line in lines]
    width = len(fields[0])
    for number, field in enumerate(fields, 1):
        if len(field) != width:
            raise DataError(f"line {number} is {lines[number - 1]!r}, unlike line 1", where=file, todo=ACCEPTED)
    if width == 2 and all(_WNID.fullmatch(field[1]) for field in fields):
        return _by_name(file, images, fields)
    if width == 1 and all(_WNID.fullmatch(field[0]) for field in fields):
        return _by_order(file, images, [field[0] for field in fields])
    if width == 1 and all(field[0].isdecimal() for field in fields):
        return _by_order(file, images, _from_ids(file, [int(field[0]) for field in fields], synsets))
    raise DataError(f"is in no known format; line 1 is {lines[0]!r}", where=file, todo=ACCEPTED)


def _read(file: Path, todo: str | None = ACCEPTED) -> str:
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error})", where=file, todo=todo) from error


def _by_name(file: Path, images: list[str], rows: list[list[str]]) -> list[str]:
    labels: dict[str, str] = {}
    for number, row in enumerate(rows, 1):
        if len(row) != 2 or not _WNID.fullmatch(row[1]):
            raise DataError(f"entry {number} is {row}, not an image and its synset", where=file, todo=ACCEPTED)
        if (known := labels.setdefault(PurePath(row[0]).stem, row[1])) != row[1]:
            raise DataError(
                f"entry {number} labels {row[0]} {row[1]}, an earlier one {known}", where=file, todo=ACCEPTED
            )
    missing = [image for image in images if PurePath(image).stem not in labels]
    if missing:
        raise DataError(f"has no label for {len(missing)} of {len(images)} images: {some(missing)}", where=file)
    return [labels[PurePath(image).stem] for image in images]


def _by_order(file: Path, images: list[str], labels: list[str]) -> list[str]:
    if len(labels) != len(images):
        raise DataError(
            f"has {len(labels)} labels for {len(images)} images",
            where=file,
            todo="Labels without names are matched by position, so the folder must be complete.",
        )
    return labels


def _from_ids(file: Path, ids: list[int], synsets: Path | None) -> list[str]:
    if synsets is None:
        raise DataError(
            "holds numbers (ILSVRC2012_ID), which are not positions in the sorted list of synsets",
            where=file,
            todo="Set `val_synsets` to a file with the synsets in the order of ILSVRC2012_ID, one a line.",
        )
    names = [line.split()[0] for line in _read(synsets).splitlines() if line.strip()]
    if not all(_WNID.fullmatch(name) for name in names):
        raise DataError("has lines that do not begin with a synset (n01440764)", where=synsets)
    if len(names) > 2 and names == sorted(names):
        raise DataError(
            "is in sorted order, which is not the order of ILSVRC2012_ID; its labels would be wrong",
            where=synsets,
            todo="Take the order from meta.mat of the development kit (its first entry is n02119789).",
        )
    if min(ids) < 1 or max(ids) > len(names):
        raise DataError(
            f"has numbers from {min(ids)} to {max(ids)}, but {synsets} has {len(names)} synsets", where=file
        )
    return [names[number - 1] for number in ids]


def read_class_labels(file: Path | None) -> dict[str, str]:
    """Maps folder names to words; lines are `n01440764 tench, Tinca tinca` as in Kaggle's LOC_synset_mapping.txt."""
    if file is None:
        return {}
    pairs = (line.split(maxsplit=1) for line in _read(file, None).splitlines() if line.strip())
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
