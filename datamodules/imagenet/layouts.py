"""Finds the folders of the training and validation images below a root."""

from pathlib import Path

from datamodules.errors import DataError, refuse_no_folder, some

# The folder itself; ILSVRC's CLS-LOC archive; the same as Kaggle packs it.
_PREFIXES = ("", "Data/CLS-LOC", "ILSVRC/Data/CLS-LOC")
_NAMES = {"train": ("train",), "val": ("val", "test")}


def find_split(root: Path, split: str) -> Path:
    """The folder of a split.

    Args:
        root: a folder with train/ and val/ (or test/), directly or below Data/CLS-LOC or ILSVRC/Data/CLS-LOC.
        split: "train" or "val".

    Raises:
        DataError: the root or the split is missing.
    """
    folder = locate_split(root, split)
    if folder is None:
        names = " or ".join(f"{name}/" for name in _NAMES[split])
        found = some(sorted(entry.name for entry in root.iterdir())) or "nothing"
        raise DataError(
            f"has no {names} folder, nor below {' or '.join(_PREFIXES[1:])}; it holds {found}",
            where=root,
            todo="Set `root` to the folder that holds the splits (docs/data.md shows the layouts).",
        )
    return folder


def locate_split(root: Path, split: str) -> Path | None:
    """As `find_split`, but returns None if the split is missing."""
    refuse_no_folder(root, "Set `root` to the folder that holds train/ and val/ (docs/data.md says how to prepare it).")
    places = (root / prefix / name for prefix in _PREFIXES for name in _NAMES[split])
    return next((place for place in places if place.is_dir()), None)


def find_beside(root: Path, name: str) -> Path | None:
    """Finds a file from the top of Kaggle's archive, such as LOC_val_solution.csv; None if it is missing."""
    candidates = (root / name, root / "ILSVRC" / name, root.parent / name)
    return next((file for file in candidates if file.is_file()), None)
