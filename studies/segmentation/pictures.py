"""Figures 6 to 8: images, their ground truth, and the predictions of a zero-padded and a partially padded network.

Section 4.2.1 of Partial Convolution based Padding, https://arxiv.org/abs/1811.11718. Nothing here loads a network or
an image (studies.segmentation.scenes does). Each picture is kept with its words, so that a report shows both without
computing them again.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Patch, Rectangle

from evaluation import Box, centre_box, distance_to_border, predict_tiled, tile_boxes
from evaluation.pictures.class_maps import leave_out, overlay
from records import write_text
from records.atomic import write_atomically
from studies.page.blocks import Figure, Notice, Raster, Section
from studies.page.drawing import draw_png
from studies.runs.collect import Collection
from studies.stats.sample import evenly

ZONE = 16
"""Pixels count as near the border within a 16th of a tile's side: what leaving out 7/8 of it (Table 7) leaves."""

IGNORED = 255

PANEL = 4.0
"""Width of a panel in inches, 120 pixels each."""

FIGURES = ("figure6", "figure7", "figure8")

OVERLAPS = {"figure6": Fraction(1, 3), "figure8": Fraction(0)}
"""The paper's figure to the overlap of its tiles."""

Network = Callable[[torch.Tensor], torch.Tensor]
"""Normalised images (N, 3, H, W) to logits (N, C, H, W)."""


class Errors(NamedTuple):
    """Pixels near a border that are predicted wrong, and all that count."""

    wrong: int
    counted: int

    @property
    def share(self) -> float:
        """From 0 to 1. Raises ZeroDivisionError where no pixel counts."""
        return self.wrong / self.counted


@dataclass(frozen=True, eq=False)
class PicturedScene:
    """One image of the evaluated set.

    Attributes:
        name: for the caption.
        photograph: (H, W, 3) uint8.
        image: normalised, (3, H, W), on the networks' device.
        target: classes (H, W) uint8, 255 where ignored.
    """

    name: str
    photograph: np.ndarray
    image: torch.Tensor
    target: torch.Tensor


@dataclass(frozen=True, eq=False)
class NetworkPair:
    """Two networks side by side, and how they predict.

    Attributes:
        networks: words for each, such as `zero padding`, to the network; two.
        words: which runs they are, a sentence.
        tile_size: side of the tiles in pixels; None is the shorter side of each image.
        average: what is averaged where tiles overlap.
        border_scope: whose centre Figure 7 shades: "image" or "tile".
        leave_out: proportions of the centre, for Figure 7.
        class_names, class_colours: of the legend.
    """

    networks: Mapping[str, Network]
    words: str
    tile_size: int | None
    average: str
    border_scope: str
    leave_out: Sequence[Fraction]
    class_names: Sequence[str]
    class_colours: Sequence[tuple[int, int, int]]

    def tiles(self, scene: PicturedScene, overlap: Fraction) -> tuple[int, list[Box]]:
        """Side of the tiles of an image, and the tiles."""
        height, width = scene.target.shape
        size = self.tile_size or min(height, width)
        return size, tile_boxes(height, width, size, overlap)

    def predict(self, scene: PicturedScene, overlap: Fraction) -> list[torch.Tensor]:
        """Classes (H, W) on the CPU from tiles, for each network."""
        size, _ = self.tiles(scene, overlap)
        with torch.inference_mode():
            logits = (
                predict_tiled(network, scene.image, size, overlap, self.average) for network in self.networks.values()
            )
            # Classes alone: logits of 19 classes at 2048 x 1024 take 160 MB an image.
            return [each.argmax(0).cpu() for each in logits]

    def errors(self, scene: PicturedScene, overlap: Fraction) -> tuple[Errors, ...]:
        """Errors near the tiles' borders, for each network."""
        size, tiles = self.tiles(scene, overlap)
        counted = border_zone(*scene.target.shape, tiles, size) & (scene.target != IGNORED)
        return tuple(
            Errors(int((counted & (prediction != scene.target)).sum()), int(counted.sum()))
            for prediction in self.predict(scene, overlap)
        )


def border_zone(height: int, width: int, tiles: Sequence[Box], size: int) -> torch.Tensor:
    """(H, W) bool: pixels less than a ZONEth of `size` from the nearest border of a tile.

    Where tiles overlap, a pixel counts in the tile in which it lies deepest.
    """
    return distance_to_border(height, width, tiles) < max(1, size // ZONE)


def most_different(pairs: Sequence[Sequence[Errors]], count: int) -> list[int]:
    """Numbers of the images whose shares of wrong pixels differ most between two networks, whichever is better.

    Of equal ones the first come first; images without a pixel that counts are passed over.
    """
    differences = {
        number: abs(ours.share - theirs.share) for number, (ours, theirs) in enumerate(pairs) if ours.counted
    }
    return sorted(differences, key=lambda number: -differences[number])[:count]


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

    def write(self, folder: Path, stem: str, png: bytes) -> Path:
        """Writes `stem.png` and, once it is there, `stem.json`; returns the picture."""
        file = folder / f"{stem}.png"
        write_atomically(file, lambda target: target.write(png))
        write_text(file.with_suffix(".json"), json.dumps(dataclasses.asdict(self), indent=1) + "\n")
        return file

    @classmethod
    def read(cls, file: Path) -> "Picture | None":
        """The words about a picture; None where they are missing or damaged."""
        try:
            return cls(**json.loads(file.with_suffix(".json").read_text()))
        except (OSError, ValueError, TypeError):
            return None


def study(collection: Collection, output: Path) -> Section | None:
    """The figures that `segmentation --pictures` drew into `output` before, or None without any. Writes nothing."""
    there = [file for stem in FIGURES if (file := output / f"{stem}.png").is_file()]
    found = {file: picture for file in there if (picture := Picture.read(file))}
    lost = [f"{file}: its .json is missing or damaged; --pictures draws it anew" for file in there if file not in found]
    figures = [Figure([Raster(file.read_bytes(), each.alt)], each.caption, each.title) for file, each in found.items()]
    blocks = [*figures, Notice("Left out", lost, terminal=True)]
    return Section("Predictions near the border (Figures 6 to 8)", blocks, list(found)) if there else None


def make(
    compared: NetworkPair,
    scenes: Sequence[PicturedScene],
    output: Path,
    shown: int,
    examined: int,
    tell: Callable[[str], None],
) -> list[Path]:
    """Writes figure6, figure8 and figure7 into `output`; returns the pictures.

    Args:
        scenes: loaded one at a time, when they are asked for.
        shown: images of Figures 6 and 8.
        examined: images that these are chosen from, at most, evenly spread over the set.
        tell: takes a line on the progress.
    """
    # Images are loaded again for the pictures: keeping all examined ones would take gigabytes.
    numbers = evenly(range(len(scenes)), examined)
    found: dict[str, list[tuple[Errors, ...]]] = {name: [] for name in OVERLAPS}
    for place, number in enumerate(numbers, start=1):
        tell(f"image {place} of {len(numbers)}")
        scene = scenes[number]
        for name, overlap in OVERLAPS.items():
            found[name].append(compared.errors(scene, overlap))
    files = []
    for name, overlap in OVERLAPS.items():
        # Where no pixel counts, of which there is nothing to choose by, the first image is shown.
        chosen = most_different(found[name], shown) or [0]
        scenes_shown = [(scenes[numbers[place]], found[name][place]) for place in chosen]
        words = _words(compared, overlap, found[name], len(scenes), len(chosen))
        files.append(words.write(output, name, side_by_side(compared, scenes_shown, overlap)))
    first, whose = scenes_shown[0][0], "the image" if compared.border_scope == "image" else "each tile"
    text = f"What Table 7 leaves out of {whose}, by the share of its height and width. Image: {first.name}."
    words = Picture("Centres left out (Figure 7)", text, "one image with its centre shaded")
    return [*files, words.write(output, "figure7", left_out(compared, first))]


def side_by_side(
    compared: NetworkPair, scenes: Sequence[tuple[PicturedScene, Sequence[Errors]]], overlap: Fraction
) -> bytes:
    """Figures 6 and 8, PNG: a row an image, the tiles' borders on the photograph, a legend of the classes shown."""
    rows = [[scene.target, *compared.predict(scene, overlap)] for scene, _ in scenes]
    shown = {value for maps in rows for each in maps for value in each.unique().tolist()}
    names = [number for number in range(len(compared.class_names)) if number in shown]
    handles = [Patch(color=np.divide(compared.class_colours[n], 255), label=compared.class_names[n]) for n in names]

    def fill(canvas: Canvas) -> None:
        places = canvas.subplots(len(rows), 2 + len(compared.networks), squeeze=False)
        for line, (scene, found), maps in zip(places, scenes, rows, strict=True):
            shares = [f"{100 * each.share:.1f} %" if each.counted else "-" for each in found]
            wrong = [f"{name}: {share} wrong" for name, share in zip(compared.networks, shares, strict=True)]
            coloured = [overlay(scene.photograph, each.numpy(), compared.class_colours, 1) for each in maps]
            pictures = [scene.photograph, *coloured]
            for place, title, picture in zip(line, [scene.name, "ground truth", *wrong], pictures, strict=True):
                _show(place, title, picture)
            for box in compared.tiles(scene, overlap)[1]:
                corner = (box.left - 0.5, box.top - 0.5)
                line[0].add_patch(
                    Rectangle(corner, box.width, box.height, fill=False, edgecolor="white", linestyle="--")
                )
        canvas.legend(handles=handles, loc="outside lower center", ncols=8, frameon=False)

    height = sum(_height(scene) for scene, _ in scenes) + 0.3 * math.ceil(len(names) / 8)
    return draw_png(fill, (PANEL * (2 + len(compared.networks)), height))


def left_out(compared: NetworkPair, scene: PicturedScene) -> bytes:
    """Figure 7, PNG: one image under its classes, the centre shaded at each proportion."""
    under = overlay(scene.photograph, scene.target.numpy(), compared.class_colours)
    of_tiles = compared.border_scope == "tile"
    scopes = compared.tiles(scene, Fraction(0))[1] if of_tiles else [Box(0, 0, *scene.target.shape)]
    columns = min(3, len(compared.leave_out))
    lines = math.ceil(len(compared.leave_out) / columns)

    def fill(canvas: Canvas) -> None:
        for number, proportion in enumerate(compared.leave_out, start=1):
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
    """Of a panel with its title, in inches."""
    height, width = scene.target.shape
    return PANEL * height / width + 0.35


def _words(
    compared: NetworkPair, overlap: Fraction, found: Sequence[Sequence[Errors]], images: int, shown: int
) -> Picture:
    number, how = (8, "without overlap") if overlap == 0 else (6, f"with an overlap of {overlap}")
    shares = []
    for name, side in zip(compared.networks, zip(*found, strict=True), strict=True):
        pooled = Errors(*map(sum, zip(*side, strict=True)))
        shares.append(f"{name} {100 * pooled.share:.2f} %" if pooled.counted else f"{name} -")
    text = (
        f"Predicted in tiles {how}. {compared.words} Shown are the {shown} of {len(found)} examined images "
        f"(of {images}, evenly spread) in which the shares of wrong pixels near a tile's border (less than 1/{ZONE} of "
        f"its side away) differ most between the two, whichever is better. Over all examined images: "
        f"{', '.join(shares)} wrong there."
    )
    title = f"Predictions in tiles {how} (Figure {number})"
    return Picture(title, text, f"rows of image, ground truth, {' and '.join(compared.networks)}")
