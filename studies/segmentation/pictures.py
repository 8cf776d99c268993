"""Figures 6 to 8: images, their ground truth, and the predictions of a zero-padded and a partially padded network.

Section 4.2.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Nothing here loads a network or
an image (studies.segmentation.scenes does). Each picture is saved with its text, so that a report shows both without
computing them again.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch, Rectangle

from evaluation import Box, centre_box, predict_tiled, tile_boxes
from evaluation.pictures.class_maps import leave_out, overlay
from records import write_text
from records.atomic import write_atomically
from studies.page.blocks import Figure, Notice, Raster, Section
from studies.page.drawing import draw_png
from studies.runs.collect import Collection

PANEL = 4.0
"""Width of a panel in inches, 120 pixels each."""

FIGURES = ("figure6", "figure7", "figure8")

OVERLAPS = {"figure6": Fraction(1, 3), "figure8": Fraction(0)}
"""Maps the paper's figure to the overlap of its tiles."""

Network = Callable[[torch.Tensor], torch.Tensor]
"""Computes logits (N, C, H, W) of normalised images (N, 3, H, W)."""


@dataclass(frozen=True, eq=False)
class PicturedScene:
    """One image of the evaluated set.

    Attributes:
        name: name in the caption.
        photograph: image as uint8 (H, W, 3).
        image: normalised image (3, H, W) on the networks' device.
        target: classes, uint8 (H, W), 255 where ignored.
    """

    name: str
    photograph: np.ndarray
    image: torch.Tensor
    target: torch.Tensor


@dataclass(frozen=True, eq=False)
class NetworkPair:
    """Two networks to compare, and how they predict.

    Attributes:
        networks: maps the name of each, such as `zero padding`, to the network; two.
        words: sentence on which runs they are.
        settings: settings of `model.evaluation`: tile_size, average, border_scope and leave_out.
        class_names, class_colours: names and colours of the classes, for the legend.
    """

    networks: Mapping[str, Network]
    words: str
    settings: Any
    class_names: Sequence[str]
    class_colours: Sequence[tuple[int, int, int]]

    def tile_side(self, scene: PicturedScene) -> int:
        return self.settings.tile_size or min(scene.target.shape)

    def tiles(self, scene: PicturedScene, overlap: Fraction) -> list[Box]:
        return tile_boxes(*scene.target.shape, self.tile_side(scene), overlap)

    def predict(self, scene: PicturedScene, overlap: Fraction) -> list[torch.Tensor]:
        """Predicts classes (H, W) from tiles with each network; returns them on the CPU."""
        how = (self.tile_side(scene), overlap, self.settings.average)
        with torch.inference_mode():
            return [predict_tiled(each, scene.image, *how).argmax(0).cpu() for each in self.networks.values()]


@dataclass(frozen=True)
class Picture:
    """The text about a picture, saved beside it; `alt` is for readers who do not see the picture."""

    title: str
    caption: str
    alt: str

    def write(self, folder: Path, stem: str, png: bytes) -> Path:
        """Writes `stem.png`, and after it `stem.json`; returns the path of the picture."""
        file = folder / f"{stem}.png"
        write_atomically(file, lambda target: target.write(png))
        write_text(file.with_suffix(".json"), json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        return file

    @classmethod
    def read(cls, file: Path) -> "Picture | None":
        """Reads the text about a picture; None if it is missing or damaged."""
        try:
            return cls(**json.loads(file.with_suffix(".json").read_text()))
        except (OSError, ValueError, TypeError):
            return None


def study(collection: Collection, output: Path) -> Section | None:
    """Returns the figures that `segmentation --pictures` drew into `output`, None without any. Writes nothing."""
    there = [file for stem in FIGURES if (file := output / f"{stem}.png").is_file()]
    found = {file: picture for file in there if (picture := Picture.read(file))}
    lost = [f"{file}: its .json is missing or damaged; --pictures draws it anew" for file in there if file not in found]
    figures = [Figure([Raster(file.read_bytes(), each.alt)], each.caption, each.title) for file, each in found.items()]
    blocks = [*figures, Notice("Left out", lost, terminal=True)]
    return Section("Predictions near the border (Figures 6 to 8)", blocks, list(found)) if there else None


def make(compared: NetworkPair, scenes: Sequence[PicturedScene], output: Path, images: int) -> list[Path]:
    """Writes figure6, figure8 and figure7 into `output`; returns the pictures.

    Args:
        scenes: images in Figures 6 and 8; Figure 7 shows the first.
        images: number of images that they were chosen from.
    """
    files = []
    for name, overlap in OVERLAPS.items():
        number, how = (6, f"with an overlap of {overlap}") if overlap else (8, "without overlap")
        text = f"Predicted in tiles {how}. {compared.words} Shown are {len(scenes)} of {images} images, evenly spread."
        alt = f"rows of image, ground truth, {' and '.join(compared.networks)}"
        words = Picture(f"Predictions in tiles {how} (Figure {number})", text, alt)
        files.append(words.write(output, name, side_by_side(compared, scenes, overlap)))
    whose = "the image" if compared.settings.border_scope == "image" else "each tile"
    text = f"What Table 7 leaves out of {whose}, by the share of its height and width. Image: {scenes[0].name}."
    words = Picture("Centres left out (Figure 7)", text, "one image with its centre shaded")
    return [*files, words.write(output, "figure7", left_out(compared, scenes[0]))]


def side_by_side(compared: NetworkPair, scenes: Sequence[PicturedScene], overlap: Fraction) -> bytes:
    """Draws Figures 6 and 8 as PNG: a row per image, tile borders on the photograph, a legend of the classes shown."""
    rows = [[scene.target, *compared.predict(scene, overlap)] for scene in scenes]
    shown = {value for maps in rows for each in maps for value in each.unique().tolist()}
    names = [number for number in range(len(compared.class_names)) if number in shown]
    handles = [Patch(color=np.divide(compared.class_colours[n], 255), label=compared.class_names[n]) for n in names]

    def fill(canvas: Canvas) -> None:
        places = canvas.subplots(len(rows), 2 + len(compared.networks), squeeze=False)
        for line, scene, maps in zip(places, scenes, rows, strict=True):
            coloured = [overlay(scene.photograph, each.numpy(), compared.class_colours, 1) for each in maps]
            titles = [scene.name, "ground truth", *compared.networks]
            for place, title, picture in zip(line, titles, [scene.photograph, *coloured], strict=True):
                _show(place, title, picture)
            for box in compared.tiles(scene, overlap):
                corner, looks = (box.left - 0.5, box.top - 0.5), {"edgecolor": "white", "linestyle": "--"}
                line[0].add_patch(Rectangle(corner, box.width, box.height, fill=False, **looks))
        canvas.legend(handles=handles, loc="outside lower center", ncols=8, frameon=False)

    height = sum(map(_height, scenes)) + 0.3 * math.ceil(len(names) / 8)
    return draw_png(fill, (PANEL * (2 + len(compared.networks)), height))


def left_out(compared: NetworkPair, scene: PicturedScene) -> bytes:
    """Draws Figure 7 as PNG: one image overlaid with its classes, the centre shaded, for each proportion."""
    under = overlay(scene.photograph, scene.target.numpy(), compared.class_colours)
    of_tiles = compared.settings.border_scope == "tile"
    scopes = compared.tiles(scene, Fraction(0)) if of_tiles else [Box(0, 0, *scene.target.shape)]
    proportions = sorted(Fraction(str(each)) for each in compared.settings.leave_out)
    columns = min(3, len(proportions))
    lines = math.ceil(len(proportions) / columns)

    def fill(canvas: Canvas) -> None:
        for number, proportion in enumerate(proportions, start=1):
            centres = np.zeros(tuple(scene.target.shape), bool)
            for scope in scopes:
                centres[scope.slices][centre_box(scope.height, scope.width, proportion).slices] = True
            name = str(proportion) if proportion == 0 else f"{proportion} x {proportion}"
            _show(canvas.add_subplot(lines, columns, number), name, leave_out(under, centres))

    return draw_png(fill, (PANEL * columns, _height(scene) * lines))


def _show(axes: Axes, title: str, picture: np.ndarray) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set_title(title, loc="left")
    axes.set_axis_off()


def _height(scene: PicturedScene) -> float:
    """Height of a panel with its title, in inches."""
    height, width = scene.target.shape
    return PANEL * height / width + 0.35
