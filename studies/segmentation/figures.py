"""Figures 6 to 8 on the page: shown where `segmentation --pictures` drew them before; never drawn for a report."""

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from records import write_text
from records.atomic import write_atomically
from studies.page.blocks import Figure, Notice, Raster, Section
from studies.runs.collect import Collection

FIGURES = ("figure6", "figure7", "figure8")


@dataclass(frozen=True)
class Picture:
    """The words about a picture, kept beside it.

    Attributes:
        title: heading.
        caption: what it shows, and how that was chosen.
        alt: for readers who do not see it.
    """

    title: str
    caption: str
    alt: str

    def write(self, folder: Path, stem: str, pixels: np.ndarray) -> Path:
        """Writes `stem.png` and, once it is there, `stem.json`; returns the picture."""
        file, encoded = folder / f"{stem}.png", io.BytesIO()
        Image.fromarray(pixels).save(encoded, "PNG", optimize=True)
        write_atomically(file, lambda target: target.write(encoded.getvalue()))
        write_text(file.with_suffix(".json"), json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        return file

    @classmethod
    def read(cls, folder: Path, stem: str) -> "Picture | None":
        """The words about `stem.png`; None where either file is missing, or `stem.json` is damaged."""
        try:
            found = cls(**json.loads((folder / f"{stem}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if (folder / f"{stem}.png").is_file() else None


def study(collection: Collection, output: Path) -> Section | None:
    """The figures that are in `output`, or None without any. Writes nothing."""
    found = {output / f"{stem}.png": picture for stem in FIGURES if (picture := Picture.read(output, stem))}
    there = {output / f"{stem}.png" for stem in FIGURES if (output / f"{stem}.png").is_file()}
    lost = [
        f"{file}: its .json is missing or damaged; --pictures draws it anew" for file in sorted(there - found.keys())
    ]
    if not there:
        return None
    figures = [
        Figure([Raster(file.read_bytes(), picture.alt)], picture.caption, picture.title)
        for file, picture in found.items()
    ]
    blocks = [*figures, Notice("Left out", lost, terminal=True)]
    return Section("Predictions near the border (Figures 6 to 8)", blocks, list(found))
