"""data.json.gz in a run folder: the files that the run trains and validates on, so that changed data can be named."""

import gzip
import json
from pathlib import Path
from typing import Any

from records.atomic import write_atomically

Sets = dict[str, dict[str, Any]]
"""Of each set, such as "training": `files`, name to size; `sample`, name to digest of content; `labels`, a digest."""


def write_data_files(path: Path, digest: str, sets: Sets) -> None:
    """Writes the sets and the digest over all of them; 12 MB for ImageNet."""
    content = json.dumps({"digest": digest, "sets": sets}).encode()
    write_atomically(path, lambda file: file.write(gzip.compress(content, 1, mtime=0)))


def read_data_files(path: Path) -> tuple[str, Sets] | None:
    """What `write_data_files` wrote; None where it is missing or damaged."""
    try:
        content = json.loads(gzip.decompress(path.read_bytes()))
        return content["digest"], content["sets"]
    # A flipped bit raises OSError, EOFError, zlib.error, ValueError or KeyError.
    except Exception:
        return None


def data_differences(old: Sets, new: Sets) -> list[str]:
    """How many files differ in what, and the first of each kind, such as `validation: 1 file missing (n01/a.JPEG)`."""
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
        # The sample is another one where the number of files is another.
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
