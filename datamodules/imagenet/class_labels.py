"""Words for classes whose folders have codes for names."""

from pathlib import Path

from datamodules.errors import DataError


def read_class_labels(file: Path | None) -> dict[str, str]:
    """Folder name to words, from lines such as `n01440764 tench, Tinca tinca` (Kaggle's LOC_synset_mapping.txt)."""
    if file is None:
        return {}
    try:
        lines = file.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read ({error})", where=file) from error
    pairs = (line.split(maxsplit=1) for line in lines if line.strip())
    return {pair[0]: pair[1].strip() for pair in pairs if len(pair) == 2}
