"""Reads and writes data.json.gz in a run folder: the run's training and validation files, to find changed data."""

import gzip
import json
from pathlib import Path
from typing import Any

from records.atomic import write_atomically

Sets = dict[str, dict[str, Any]]
"""Per set, such as "training": `files` (name to size), `sample` (name to digest of content), `labels` (a digest)."""


def write_data_files(path: Path, digest: str, sets: Sets) -> None:
    """Writes the sets and the digest of all of them; 12 MB for ImageNet."""
    content = json.dumps({"digest": digest, "sets": sets}).encode()
    write_atomically(path, lambda file: file.write(gzip.compress(content, 1, mtime=0)))


def read_data_files(path: Path) -> tuple[str, Sets] | None:
    """Reads the digest and the sets that `write_data_files` wrote; None if the file is missing or damaged."""
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        return content["digest"], content["sets"]
    # A flipped bit may raise OSError, EOFError, zlib.error, ValueError or KeyError.
    except Exception:
        return None


def data_differences(old: Sets, new: Sets) -> list[str]:
    """Lists, per kind of change, how many files differ and the first one: `validation: 1 file missing (n01/a.JPEG)`."""
    lines = []
    for name in sorted(old.keys() | new.keys()):
        if name in old and name in new:
            lines += [f"{name}: {line}" for line in _differences(old[name], new[name])]
        else:
            lines.append(f"{name}: {'no longer' if name in old else 'now'} read from files of its own")
    return lines


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    before, after = old["files"], new["files"]
    resized = [name for name in before if name in after and before[name] != after[name]]
    kinds = {
        "missing": sorted(before.keys() - after.keys()),
        "added": sorted(after.keys() - before.keys()),
        "of another size": resized,
        # Another number of files gives another sample, so only names that both samples hold are compared.
        "of other content": [
            name
            for name, digest in old["sample"].items()
            if new["sample"].get(name, digest) != digest and before[name] == after[name]
        ],
    }
    lines = []
    for kind, names in kinds.items():
        if names:
            number, first = ("1 file", "") if len(names) == 1 else (f"{len(names)} files", "the first: ")
            lines.append(f"{number} {kind} ({first}{names[0]})")
    return lines + ["other labels"] * (old["labels"] != new["labels"])
