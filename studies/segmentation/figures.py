"""Figures 6 to 8 on the page: shown where the pictures were made before, never computed for it."""

import dataclasses
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from records import write_text
from records.atomic import write_atomically
from studies.page import html
from studies.page.section import Section
from studies.runs.collect import Collection

FIGURES = ("figure6", "figure7", "figure8")


@dataclass(frozen=True)
class Picture:
    """What is said of a picture, kept beside it.

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
        """What is said of `stem.png`; None where the two are not there, or this is damaged."""
        try:
            found = cls(**json.loads((folder / f"{stem}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if (folder / f"{stem}.png").is_file() else None


def study(collection: Collection, output: Path) -> Section | None:
    """The figures that are in `output`, or None without any. Writes nothing."""
    found = {stem: picture for stem in FIGURES if (picture := Picture.read(output, stem))}
    if not found:
        return None
    body = ""
    for stem, picture in found.items():
        image = html.picture((output / f"{stem}.png").read_bytes(), picture.alt)
        body += f"<h3>{html.escape(picture.title)}</h3>" + html.figure(image, picture.caption)
    return Section(
        "Predictions near the border (Figures 6 to 8)", body, files=[output / f"{stem}.png" for stem in found]
    )
